package postgres

import (
	"database/sql/driver"
	"encoding/binary"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// rows are the rows of a query, whose call ends when they are closed. They do what the rows of
// package stdlib do, without two functions for each column of each query.
type rows struct {
	pgx.Rows
	c     *conn
	ahead bool // whether the row that pgx is at is still to be read
}

func (r *rows) Columns() []string {
	fields := r.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

func (r *rows) Next(into []driver.Value) error {
	if !r.ahead && !r.Rows.Next() {
		if err := r.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	r.ahead = false
	types := r.c.Conn.Conn().TypeMap()
	fields, raw := r.FieldDescriptions(), r.RawValues()
	for i := range into {
		var err error
		if into[i], err = decode(types, fields[i].DataTypeOID, fields[i].Format, raw[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows) Close() error {
	defer r.c.limit.End()
	r.Rows.Close()
	return r.Err()
}

// decode returns the value of a column, which is valid until the next row is read.
func decode(types *pgtype.Map, oid uint32, format int16, raw []byte) (driver.Value, error) {
	isBinary := format == pgx.BinaryFormatCode
	switch {
	case raw == nil:
		return nil, nil
	case oid == pgtype.Int8OID && isBinary && len(raw) == 8:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case oid == pgtype.ByteaOID && isBinary:
		return raw, nil
	case oid == pgtype.TextOID:
		return string(raw), nil
	}
	if t, known := types.TypeForOID(oid); known {
		return t.Codec.DecodeDatabaseSQLValue(types, oid, format, raw)
	}
	if isBinary {
		return raw, nil
	}
	return string(raw), nil
}
