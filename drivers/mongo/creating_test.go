package mongo

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// A call that must not create leaves no collection and no index behind, and finds what exists.
func TestWithoutCreating(t *testing.T) {
	m := testserver.StartMongo(t)
	dsn := newDSN(m, "")
	look := func() error {
		s, err := Driver{}.Open(dsn)
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Retrieve(driver.WithoutCreating(t.Context()), "k")
		return err
	}
	require.ErrorContains(t, look(), "there are no sessions here")

	s, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	defer s.Close()
	coll, err := s.(*Store).connected(t.Context())
	require.NoError(t, err)
	names, err := coll.Database().ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Empty(t, names)

	_, err = coll.InsertOne(t.Context(), bson.D{{Key: "customer", Value: 1}})
	require.NoError(t, err)
	require.ErrorContains(t, look(), "there are no sessions here")

	_, err = s.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.ErrorIs(t, look(), driver.ErrNotFound)
}
