module gosession.dev/session/drivers/redis

go 1.26

require (
	github.com/redis/rueidis v1.0.79
	github.com/stretchr/testify v1.12.1
	gosession.dev/session v0.2.0
	gosession.dev/session/drivertest/histories v0.2.0
)

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.53.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
