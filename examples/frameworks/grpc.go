package main

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"gosession.dev/session"
)

// sessionID is the metadata in which the ID comes and goes.
const sessionID = "session-id"

// grpcSessions is what Factory.Handler is for net/http, for the calls of a gRPC server:
//
//	grpc.NewServer(grpc.UnaryInterceptor(grpcSessions(sessions)))
func grpcSessions(sessions *session.Factory) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		var id session.ID
		if ids := metadata.ValueFromIncomingContext(ctx, sessionID); len(ids) > 0 {
			id = session.ID(ids[0])
		}
		s, err := sessions.Retrieve(ctx, id)
		if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrCorrupt) {
			s, err = sessions.Create(ctx)
		}
		if err != nil {
			return nil, status.Error(codes.Unavailable, "the sessions can't be read")
		}
		answer, err := handle(session.NewContext(ctx, s), request)
		if err != nil {
			return nil, err
		}
		if err := s.Flush(ctx); err != nil && !errors.Is(err, session.ErrNotFound) {
			return nil, status.Error(codes.Unavailable, "the session can't be stored")
		}
		if s.ID() != id {
			err = grpc.SetHeader(ctx, metadata.Pairs(sessionID, string(s.ID())))
		}
		return answer, err
	}
}
