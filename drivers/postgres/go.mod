module gosession.dev/session/drivers/postgres

go 1.26

require (
	github.com/jackc/pgx/v5 v5.13.0
	github.com/stretchr/testify v1.12.1
	gosession.dev/session v0.2.0
	gosession.dev/session/drivers/sqlstore v0.2.0
	gosession.dev/session/drivertest/histories v0.2.0
)
