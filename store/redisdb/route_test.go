package redisdb

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/scim"
	"rollcall/store"
)

// fakeCluster is a cluster of one node, which answers scripts as a test says: "" is a connection
// that ends without an answer.
func fakeCluster(t *testing.T, answer func(n int64) string) (addr string, scripts *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	scripts = &atomic.Int64{}
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		for {
			words, err := readCommand(in)
			if err != nil {
				return
			}
			reply := "-ERR unknown command\r\n"
			switch strings.ToLower(words[0]) {
			case "cluster":
				reply = fmt.Sprintf("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$1\r\na\r\n", port)
			case "evalsha":
				if reply = answer(scripts.Add(1)); reply == "" {
					return
				}
			}
			fmt.Fprint(c, reply)
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), scripts
}

func readCommand(in *bufio.Reader) (words []string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "*")))
	for range n {
		if _, err = in.ReadString('\n'); err != nil { // the length
			return nil, err
		}
		word, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		words = append(words, strings.TrimSpace(word))
	}
	return words, err
}

// TestClusterSendsOnce: what a lost connection leaves unknown is not sent again by the client of a
// cluster, whose own way that is; and what a node refuses is known not to be done.
func TestClusterSendsOnce(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		unknown      bool
	}{
		{"lost", "", true},
		{"moving", "-TRYAGAIN Multiple keys request during rehashing of slot\r\n", false},
		{"going", "-ASK 1 127.0.0.1:1\r\n", false},
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", false},
		{"down", "-CLUSTERDOWN The cluster is down\r\n", false},
		{"demoted", "-READONLY You can't write against a read only replica.\r\n", false},
	} {
		for _, txs := range []int{1, 3} {
			t.Run(fmt.Sprint(c.name, " ", txs), func(t *testing.T) {
				addr, scripts := fakeCluster(t, func(int64) string { return c.answer })
				b := dial(Config{Cluster: []string{addr}, Timeout: 10 * time.Second})
				defer b.Close()
				var all []*store.Tx
				for range txs {
					all = append(all, &store.Tx{Workspace: ws, Ref: scim.Ref{Type: "User", ID: "u"}, Op: store.OpPut})
				}
				for _, res := range b.Apply(t.Context(), all) {
					if !errors.Is(res.Err, scim.ErrUnavailable) || errors.Is(res.Err, store.ErrUnknown) != c.unknown {
						t.Errorf("Apply() = %v, want %v, unknown: %v", res.Err, scim.ErrUnavailable, c.unknown)
					}
				}
				if n := scripts.Load(); n > int64(txs) {
					t.Errorf("%d scripts were sent for %d commits", n, txs)
				}
			})
		}
	}
}
