package main

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"gosession.dev/session"
)

// sessionID is the name of the metadata that carries the ID, in both directions.
const sessionID = "session-id"

// withGRPC calls the methods of the factory itself, too. Its health service counts visits:
// try it with grpcurl.
func withGRPC(sessions *session.Factory) *grpc.Server {
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(grpcSessions(sessions), grpcVisits))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	return server
}

// grpcVisits stands for the handlers of an application. It sends the number of visits in the
// header.
func grpcVisits(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	text, err := visit(ctx)
	if err != nil {
		return nil, err
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("visits", strings.TrimSpace(text))); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}

// grpcSessions does for unary calls what Factory.Handler does for net/http. A stream has to
// call Flush itself, and SetHeader before its first message.
func grpcSessions(sessions *session.Factory) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		var id session.ID
		if ids := metadata.ValueFromIncomingContext(ctx, sessionID); len(ids) > 0 {
			id = session.NewID(ids[0])
		}
		s, err := sessions.Retrieve(ctx, id)
		if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrCorrupt) {
			s, err = sessions.Create(ctx)
		}
		if err != nil {
			return nil, status.Error(codes.Unavailable, "the sessions can't be read")
		}
		answer, failed := handle(session.NewContext(ctx, s), request)
		err = s.Flush(ctx)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return nil, status.Error(codes.Unavailable, "the session can't be stored")
		}
		if err == nil && s.Key() != id.Key() {
			if err := grpc.SetHeader(ctx, metadata.Pairs(sessionID, s.ID().Reveal())); err != nil {
				return nil, err
			}
		}
		return answer, failed
	}
}
