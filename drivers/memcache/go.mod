module gosession.dev/session/drivers/memcache

go 1.26

require (
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c
	github.com/dgryski/go-rendezvous v0.0.0-20200823014737-9f7001d12a5f
	github.com/stretchr/testify v1.12.1
	gosession.dev/session v0.2.0
	gosession.dev/session/drivertest/histories v0.2.0
)

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.53.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
