package scim

import "context"

// Tracer begins a step of work within the one of the context; what it returns ends the step.
// Whoever serves puts one into the context, where somebody wants to see what took how long.
type Tracer func(ctx context.Context, step string) (context.Context, func(error))

type tracerKey struct{}

// WithTracer returns a context whose steps are told to t.
func WithTracer(ctx context.Context, t Tracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, t)
}

// Step begins a step of the context's tracer, if there is one. The names of steps are few and fixed.
func Step(ctx context.Context, name string) (context.Context, func(error)) {
	if t, ok := ctx.Value(tracerKey{}).(Tracer); ok {
		return t(ctx, name)
	}
	return ctx, func(error) {}
}
