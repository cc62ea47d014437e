package postgres_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
)

// madeByHand creates the tables as an operator might, with ddl for the columns of the first one, and
// returns the DSN of a store in them.
func (p place) madeByHand(t testing.TB, columns string, params ...string) string {
	table := newTable()
	p.Exec(t, p.database, fmt.Sprintf(`CREATE TABLE %s (%s);
		CREATE TABLE %[1]s_schema (id integer PRIMARY KEY, version integer NOT NULL);
		INSERT INTO %[1]s_schema VALUES (1, 1)`, table, columns))
	return p.dsn(table, params...)
}

// columns returns the definitions of the columns, changed by pairs of an old and a new text.
func columns(changes ...string) string {
	return strings.NewReplacer(changes...).Replace(
		"id text PRIMARY KEY, data bytea, meta bytea, created bigint, expires bigint, subject text, version bigint")
}

// Ping judges a table that the operator has made.
func TestOwnTable(t *testing.T) {
	p := newPlace(t, "")
	p.Exec(t, p.database, "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	for name, tt := range map[string]struct {
		columns, params string
		want            string // of the error; "" if the table is fine
	}{
		"as documented":            {columns(), "", ""},
		"varchar":                  {columns("id text", "id varchar(64)", "subject text", "subject varchar(255)"), "", ""},
		"own names":                {columns("id text", "key text", "data bytea", `"Values" bytea`), "session_id_column=key&session_data_column=Values", ""},
		"jsonb":                    {columns("data bytea", "data jsonb"), "data=jsonb", ""},
		"json":                     {columns("data bytea", "data json"), "data=jsonb", ""},
		"text for values":          {columns("data bytea", "data text"), "data=jsonb", ""},
		"varchar for values":       {columns("data bytea", "data varchar"), "data=jsonb", ""},
		"unique key":               {columns("PRIMARY KEY", "NOT NULL UNIQUE"), "", ""},
		"another column":           {columns() + ", made timestamptz NOT NULL DEFAULT now(), note text", "", ""},
		"extra NOT NULL column":    {columns() + ", owner text NOT NULL", "", "a column that the store does not set must not be NULL"},
		"values too small":         {columns("data bytea", "data varchar(100)"), "data=jsonb", "too large"},
		"text without data=jsonb":  {columns("data bytea", "data text"), "", "add data=jsonb"},
		"jsonb without data=jsonb": {columns("data bytea", "data jsonb"), "", "add data=jsonb"},
		"bytea with data=jsonb":    {columns(), "data=jsonb", "remove data=jsonb"},
		"numeric subject":          {columns("subject text", "subject bigint"), "", "wrong type"},
		"timestamp":                {columns("expires bigint", "expires timestamptz"), "", "wrong type"},
		"integer":                  {columns("expires bigint", "expires integer"), "", "wrong type"},
		"integer for version":      {columns("version bigint", "version integer"), "", "wrong type"},
		"text for meta":            {columns("meta bytea", "meta text"), "", "the column meta has the wrong type; want bytea"},
		"char(64)":                 {columns("id text", "id char(64)"), "", "the column of the key has the wrong type"},
		"short key":                {columns("id text", "id varchar(20)"), "", "too large"},
		"no key":                   {columns("PRIMARY KEY", "NOT NULL"), "", "the column of the key is not unique"},
		"deferred key":             {columns("PRIMARY KEY", "PRIMARY KEY DEFERRABLE"), "", "not DEFERRABLE"},
		"lacks a column":           {columns(", version bigint", ""), "", "the table lacks the column "},
		"lacks the values":         {columns(", data bytea", ""), "", "the table lacks the column of the values; the DSN's session_id_column and session_data_column"},
		"case-insensitive key":     {columns("id text", "id text COLLATE nocase"), "", "binary collation"},
		"case-insensitive subject": {columns("subject text", "subject text COLLATE nocase"), "", "binary collation"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, p.madeByHand(t, tt.columns, strings.Split(tt.params, "&")...))
			err := s.Ping(t.Context())
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			r := record("k", time.Hour)
			require.NoError(t, s.Create(t.Context(), r))
			got, err := s.Retrieve(t.Context(), "k")
			require.NoError(t, err)
			require.JSONEq(t, string(r.Data), string(got.Data))
			require.Equal(t, r.Subject, got.Subject)
		})
	}
}

// A database that can't hold all subjects is refused.
func TestEncodingOfDatabase(t *testing.T) {
	p := newPlace(t, "")
	for encoding, want := range map[string]string{"LATIN1": "can't hold a character", "UTF8": ""} {
		name := "in_" + strings.ToLower(encoding)
		p.Exec(t, "postgres", "CREATE DATABASE "+name+" ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
		p.database = name
		for _, params := range []string{"data=bytea", "data=jsonb"} {
			err := open(t, p.dsn(newTable(), params)).Ping(t.Context())
			if want != "" {
				require.ErrorContains(t, err, want)
			} else {
				require.NoError(t, err)
			}
		}
		s := postgres.New(connect(t, p.DSN(p.database, "client_encoding=LATIN1")), postgres.Options{Table: newTable()})
		require.ErrorContains(t, s.Ping(t.Context()), "client_encoding is not UTF8")
	}
}

// An error says what keeps the store from working, and quotes neither names nor the password.
func TestErrors(t *testing.T) {
	p := newPlace(t, "")
	p.Exec(t, p.database, "CREATE ROLE stranger LOGIN PASSWORD 'swordfish-0815'")
	p.Exec(t, p.database, "CREATE TABLE of_view ("+columns()+"); CREATE VIEW swordfish_view AS SELECT * FROM of_view")
	with := func(dsn string, change func(u *url.URL)) string {
		u, err := url.Parse(dsn)
		require.NoError(t, err)
		change(u)
		return u.String()
	}
	dsn := p.dsn("swordfish")
	for name, tt := range map[string]struct{ dsn, want string }{
		"wrong password":        {with(dsn, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "swordfish") }), "the password is wrong"},
		"unknown user":          {with(dsn, func(u *url.URL) { u.User = url.UserPassword("swordfish", "swordfish") }), "the password is wrong"},
		"missing database":      {with(dsn, func(u *url.URL) { u.Path = "/swordfish" }), "the database does not exist"},
		"missing schema":        {p.dsn("swordfish.x"), "the schema does not exist"},
		"view":                  {p.dsn("swordfish_view"), "belongs to a view or another object"},
		"missing privilege":     {with(dsn, func(u *url.URL) { u.User = url.UserPassword("stranger", "swordfish-0815") }), "USAGE and CREATE on the schema"},
		"nothing listens":       {with(dsn, func(u *url.URL) { u.Host = "127.0.0.1:1" }), "nothing listens at the host and port"},
		"unknown host":          {with(dsn, func(u *url.URL) { u.Host = "swordfish.invalid" }), "the name of the host can't be resolved"},
		"no TLS":                {strings.Replace(dsn, "sslmode=disable", "sslmode=require", 1), "the server does not offer TLS"},
		"invalid setting":       {dsn + "&datestyle=swordfish", "check the settings of the server in the DSN"},
		"unknown role":          {dsn + "&role=swordfish", "check the settings of the server in the DSN"},
		"read-only transaction": {dsn + "&default_transaction_read_only=on", "read-only"},
		"no socket":             {"host=/swordfish user=u dbname=d", "there is no socket of a server"},
		"never answers":         {dead(t) + "&connect_timeout=1", "did not answer in time"},
		"asynchronous commit":   {p.dsn("swordfish_async") + "&options=-c%20synchronous_commit%3Doff", "synchronous_commit is off"},
	} {
		t.Run(name, func(t *testing.T) {
			clearPassword(t)
			ctx, cancel := contextFor(t, 30*time.Second)
			defer cancel()
			s := open(t, tt.dsn)
			err := s.Ping(ctx)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "swordfish")
			_, err = s.Retrieve(ctx, "k")
			require.Error(t, err)
			require.NotErrorIs(t, err, driver.ErrNotFound)
		})
	}
}
