module gosession.dev/session/drivers/mysql

go 1.26

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/stretchr/testify v1.12.1
	gosession.dev/session v0.2.0
	gosession.dev/session/drivers/sqlstore v0.2.0
	gosession.dev/session/drivertest/histories v0.2.0
)
