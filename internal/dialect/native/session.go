package native

import (
	"context"
	"net/http"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
)

func (a api) refresh(ctx context.Context, call dialect.Call[refresh]) (dialect.Reply, error) {
	return tokens(a.core.Refresh(ctx, call.Caller, core.RefreshIn{
		RefreshToken: *call.In.RefreshToken, Device: call.In.Device.in(),
	}))
}

func (a api) logout(ctx context.Context, call dialect.Call[logout]) (dialect.Reply, error) {
	return done(a.core.Logout(ctx, call.Caller, call.In.Scope))
}

func (a api) sessions(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	views, err := a.core.Sessions(ctx, call.Caller)
	if err != nil {
		return dialect.Reply{}, err
	}
	list := SessionList{Sessions: make([]Session, len(views))}
	for i, view := range views {
		list.Sessions[i] = sessionOf(view)
	}
	return dialect.Reply{Status: http.StatusOK, Body: list}, nil
}

func (a api) endSession(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	return done(a.core.EndSession(ctx, call.Caller, call.ID))
}
