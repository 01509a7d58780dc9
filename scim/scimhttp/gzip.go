package scimhttp

import (
	"bytes"
	"compress/gzip"
	"io"
	"strconv"
	"strings"
	"sync"
)

// gzipFrom is the size from which an answer is packed: below, it fits in one packet as it is.
const gzipFrom = 1400

var (
	gzipCoding = []string{"gzip"}
	varies     = []string{"Accept-Encoding"}

	packers = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level exists
		}
		return w
	}}
)

// pack compresses a body that is whole.
func pack(dst *bytes.Buffer, body []byte) {
	w := packers.Get().(*gzip.Writer)
	w.Reset(dst)
	_, _ = w.Write(body) // a Buffer takes everything
	_ = w.Close()
	packers.Put(w)
}

// startGzip packs what follows, where the client takes it. An entity tag stays what it is: it
// is weak, and does not tell codings apart.
func (x *exchange) startGzip() {
	if !x.takesGzip() {
		return
	}
	x.w.Header()["Content-Encoding"] = gzipCoding
	x.gzip = packers.Get().(*gzip.Writer)
	x.gzip.Reset(x.w)
}

// endGzip ends a packed answer. One that broke off never gets here, so its end is missing.
func (x *exchange) endGzip() error {
	w := x.gzip
	if w == nil || x.r.Method == "HEAD" {
		return nil
	}
	x.gzip = nil
	err := w.Close()
	w.Reset(io.Discard)
	packers.Put(w)
	if err != nil {
		return errGone
	}
	return nil
}

// takesGzip reads Accept-Encoding (RFC 9110 §12.5.3): gzip is named, or else everything is,
// and not with a weight of zero.
func (x *exchange) takesGzip() bool {
	named, any := -1.0, -1.0
	for _, line := range x.r.Header["Accept-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(coding, ";")
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				named = weight(params)
			case name == "*":
				any = weight(params)
			}
		}
	}
	if named < 0 {
		named = any
	}
	return named > 0
}

// weight reads ";q=0.5": 1 where there is none, 0 for what cannot be read.
func weight(params string) float64 {
	name, value, found := strings.Cut(params, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
