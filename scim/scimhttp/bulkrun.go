package scimhttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"rollcall/scim"
)

// bulkRun does the operations of a /Bulk, in the order of the request, except that what an
// operation refers to is created before it.
//
// Where references go round in a circle (two groups that are members of each other), the first
// to be created has to do without: what refers to a resource that is not there yet is left
// out, and put in place as soon as it is (RFC 7644 §3.7.1).
type bulkRun struct {
	*exchange
	ops          []*bulkOp
	byID         map[string]*bulkOp
	failOnErrors int64 // 0 for any number

	failed int64
	open   []*bulkOp // created without something that they refer to
	down   error     // the store could not be reached, or time is up: nothing more is tried
}

// all does every operation. Its error is that of a request that was given up.
func (b *bulkRun) all() error {
	for _, op := range b.ops {
		if b.stopped() {
			return nil
		}
		b.do(op)
		b.close()
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// stopped tells that as many operations have failed as the client would bear.
func (b *bulkRun) stopped() bool { return b.failOnErrors > 0 && b.failed >= b.failOnErrors }

// do does one operation, and before it those that it refers to.
func (b *bulkRun) do(op *bulkOp) {
	if op.state != bulkWaiting {
		return
	}
	op.state = bulkRunning
	if op.err == nil {
		op.err = b.attempt(op)
	}
	switch {
	case errors.Is(op.err, errStopped):
		op.state = bulkSkipped
	case op.err != nil:
		b.failed++
		fallthrough
	default:
		op.state = bulkDone
	}
}

var errStopped = errors.New("failOnErrors was reached")

func (b *bulkRun) attempt(op *bulkOp) error {
	circle := false
	for _, ref := range op.refs {
		to, err := b.referred(ref)
		if err != nil {
			return err
		}
		b.do(to)
		switch {
		case b.stopped():
			return errStopped
		case to.state == bulkRunning:
			circle = true
		case to.err != nil:
			return scim.Errorf(errUnresolved, "the operation with the bulkId %q failed, so this was not tried", shorten(ref))
		}
	}
	if b.down == nil && time.Since(b.began) > b.h.cfg.Limits.BulkTime {
		b.down = scim.Errorf(scim.ErrUnavailable, "the request took too long, so this was not tried; send it again")
	}
	if b.down != nil {
		return b.down
	}
	err := b.perform(op)
	if errors.Is(err, scim.ErrUnavailable) && !errors.Is(err, errOutOfChance) {
		b.down = err
	}
	if out, _ := b.wireError(err); err != nil && out.Status >= http.StatusInternalServerError {
		b.logCause(err)
	}
	if err == nil && circle {
		b.open = append(b.open, op)
	}
	return err
}

// referred finds the operation that a reference names.
func (b *bulkRun) referred(ref string) (*bulkOp, error) {
	to := b.byID[ref]
	if to == nil || to.method != http.MethodPost {
		return nil, scim.Errorf(scim.ErrInvalidValue, "there is no POST with the bulkId %q in the request", shorten(ref))
	}
	return to, nil
}

// created gives the id of what a reference names, where that is there.
func (b *bulkRun) created(ref string) (id string, ok bool) {
	to := b.byID[ref]
	return to.id, validID(to.id) && to.status == http.StatusCreated
}

// perform makes the change, the same way as the request that it stands for.
func (b *bulkRun) perform(op *bulkOp) error {
	if ref, ok := bulkReference(op.id); ok {
		op.id, _ = b.created(ref)
	}
	x := b.on(op.typ, op.id)
	var body map[string]any
	if op.data != nil {
		body = fillBody(op.data, b.created)
	}
	if op.method == http.MethodPost {
		draft, err := x.newDraft(body)
		if err != nil {
			return err
		}
		done, err := x.insert(draft)
		if err != nil {
			return err
		}
		op.id, op.status, op.version = done.Stored.ID, http.StatusCreated, done.Stored.Version
		return nil
	}
	ref, err := x.ref()
	if err != nil {
		return err
	}
	return op.change(&change{x, ref, op.pre}, body)
}

// change makes a PUT, PATCH or DELETE.
func (op *bulkOp) change(c *change, body map[string]any) error {
	switch op.method {
	case http.MethodPut:
		draft, err := c.decode(body)
		if err != nil {
			return err
		}
		out, err := c.replace(draft, scim.With{})
		if err != nil {
			return err
		}
		op.status, op.version = http.StatusOK, out.done.Stored.Version
	case http.MethodPatch:
		ops, err := scim.ParsePatch(body)
		if err != nil {
			return err
		}
		out, err := c.modify(ops, scim.With{})
		if err != nil {
			return err
		}
		op.status, op.version = http.StatusOK, out.done.Stored.Version
	case http.MethodDelete:
		if err := c.remove(); err != nil {
			return err
		}
		op.status = http.StatusNoContent
	}
	return nil
}

// close completes what was created without something that it refers to. Where that has failed
// meanwhile, the client is told that the resource is there and what it lacks.
func (b *bulkRun) close() {
	for _, op := range b.open {
		if err := b.complete(op); err != nil {
			op.err = err
			b.failed++
		}
	}
	b.open = nil
}

func (b *bulkRun) complete(op *bulkOp) error {
	for _, ref := range op.refs {
		if _, ok := b.created(ref); !ok {
			return scim.Errorf(errUnresolved, "the resource was created, but not what it refers to by the bulkId %q", shorten(ref))
		}
	}
	x := b.on(op.typ, op.id)
	draft, err := x.typ.Decode(fillBody(op.data, b.created))
	if err != nil {
		return err
	}
	// Only what was created here is completed: whoever has changed it since is not undone.
	own := etags{given: true, tags: []shownAs{{version: op.version}}}
	out, err := (&change{x, scim.Ref{Type: op.typ.Name, ID: op.id}, preconditions{match: own}}).replace(draft, scim.With{})
	if err != nil {
		return err
	}
	op.version = out.done.Stored.Version
	return nil
}

// on is the exchange as if the request were one on that resource.
func (x *exchange) on(t *wireType, id string) *exchange {
	own := *x
	own.typ, own.id, own.dropped, own.large = t, id, 0, false
	return &own
}

// bulkFailure is the status and the body of an operation that failed.
func (x *exchange) bulkFailure(err error) (int, []byte) {
	out, _ := x.wireError(err)
	body, merr := json.Marshal(out)
	if merr != nil { // a detail is text: this cannot be
		body = nil
	}
	return out.Status, body
}
