module gosession.dev/session/drivers/mysql

go 1.26

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/stretchr/testify v1.12.1
	gosession.dev/session v0.2.0
	gosession.dev/session/drivers/sqlstore v0.2.0
	gosession.dev/session/drivertest/histories v0.2.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/anishathalye/porcupine v1.3.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.53.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
