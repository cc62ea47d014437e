package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"gosession.dev/session/drivers/sqlstore"
)

// checks are what the store checks at first use: that the connection and the table keep the
// contract. Ping then tries the table.
type checks struct {
	Options
	lossy bool // whether the store may lose acknowledged writes
}

// found is what the server says about itself and about the table.
type found struct {
	encoding    string // client_encoding
	commit      string // synchronous_commit
	standby     bool
	persistence string // pg_class.relpersistence
	unique      bool   // whether the key is unique after each statement
}

const findTable = `SELECT current_setting('client_encoding'), current_setting('synchronous_commit'), pg_is_in_recovery(), c.relpersistence::text,
	EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.attname = {id}
		WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL)
	FROM pg_class c WHERE c.oid = {table}::regclass`

// findColumns finds the types of the columns, without their lengths and domains.
const findColumns = `SELECT a.attname::text, format_type(CASE WHEN t.typbasetype = 0 THEN t.oid ELSE t.typbasetype END, NULL)
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped`

// check is the Check of the dialect.
func (c checks) check(ctx context.Context, conn *sql.Conn, t sqlstore.Table) error {
	fill := strings.NewReplacer("{table}", literal(t.Name), "{id}", literal(cmp.Or(c.IDColumn, "id"))).Replace
	var f found
	err := conn.QueryRowContext(ctx, fill(findTable)).Scan(&f.encoding, &f.commit, &f.standby, &f.persistence, &f.unique)
	if err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, fill(findColumns))
	if err != nil {
		return err
	}
	defer rows.Close()
	types := map[string]string{}
	for rows.Next() {
		var name, dataType string
		if err := rows.Scan(&name, &dataType); err != nil {
			return err
		}
		types[name] = dataType
	}
	return cmp.Or(rows.Err(), c.judge(f, types))
}

// judge returns an error if the contract can't be kept on such a connection or in such a table.
func (c checks) judge(f found, types map[string]string) error {
	switch {
	case f.standby:
		return errStandby
	case f.encoding != "UTF8":
		return errEncoding
	case f.commit == "off" && !c.lossy:
		return errCommit
	case f.persistence == "u" && !c.lossy:
		return errUnlogged
	case f.persistence == "t":
		return errTemporary
	}
	if err := c.judgeColumns(types); err != nil {
		return err
	}
	if !f.unique {
		return errNotUnique
	}
	return nil
}

// judgeColumns returns an error if a column is missing or has the wrong type.
func (c checks) judgeColumns(types map[string]string) error {
	text, values := []string{"text", "character varying"}, []string{"bytea"}
	if c.JSON {
		values = []string{"jsonb", "json", "text", "character varying"}
	}
	for _, column := range []struct {
		name, called string
		types        []string
		wrong        refusal // if it is empty, the error names the types
	}{
		{cmp.Or(c.IDColumn, "id"), "of the key", text, ""},
		{cmp.Or(c.DataColumn, "data"), "of the values", values, c.wrongValues()},
		{"meta", "meta", []string{"bytea"}, ""},
		{"created", "created", []string{"bigint"}, ""},
		{"expires", "expires", []string{"bigint"}, ""},
		{"subject", "subject", text, ""},
		{"version", "version", []string{"bigint"}, ""},
	} {
		switch is := types[column.name]; {
		case is == "" && column.name == column.called:
			return refusal("the table lacks the column " + column.called)
		case is == "":
			return refusal("the table lacks the column " + column.called + "; the DSN's session_id_column and session_data_column (Options) name these columns")
		case slices.Contains(column.types, is):
		case column.wrong != "":
			return column.wrong
		default:
			return refusal(fmt.Sprintf("the column %s has the wrong type; want %s", column.called, strings.Join(column.types, " or ")))
		}
	}
	return nil
}

// wrongValues is the error if the column of the values has the wrong type.
func (c checks) wrongValues() refusal {
	if c.JSON {
		return errNoJSON
	}
	return errNoBytes
}

// literal returns text as a literal of SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
