module gosession.dev/session

go 1.26

require (
	github.com/mattn/go-sqlite3 v1.14.52
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
