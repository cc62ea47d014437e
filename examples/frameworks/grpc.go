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

// sessionID is the metadata in which the ID comes and goes.
const sessionID = "session-id"

// withGRPC uses the primitives too. Its health service counts visits, and can be tried
// with grpcurl.
func withGRPC(sessions *session.Factory) *grpc.Server {
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(grpcSessions(sessions), grpcVisits))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	return server
}

// grpcVisits stands for what handlers do: it says in the header how many visits there
// were.
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

// grpcSessions is what Factory.Handler is for net/http, for calls that are no streams;
// a stream has to call Flush itself, and SetHeader before its first message.
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
		answer, failed := handle(session.NewContext(ctx, s), request)
		err = s.Flush(ctx)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return nil, status.Error(codes.Unavailable, "the session can't be stored")
		}
		if err == nil && s.ID() != id {
			if err := grpc.SetHeader(ctx, metadata.Pairs(sessionID, string(s.ID()))); err != nil {
				return nil, err
			}
		}
		return answer, failed
	}
}
