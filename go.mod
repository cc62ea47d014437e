module gosession.dev/session

go 1.26

require (
	github.com/stretchr/testify v1.12.1
	golang.org/x/crypto v0.53.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.46.0 // indirect
)
