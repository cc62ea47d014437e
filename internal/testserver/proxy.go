package testserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// Proxy stands between a client and a server, and does harm.
type Proxy struct {
	Addr     string // for the client
	upstream string
	t        testing.TB
	server   *Server
	api      string
}

// StartProxy starts a proxy in front of the server at an address.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	program := build(t, "toxiproxy")
	p := &Proxy{Addr: freeAddr(t), upstream: upstream, t: t}
	p.server = start(t, program, func(host, port string) []string { return []string{net.JoinHostPort(host, port)} })
	p.api = "http://" + p.server.Addr + "/proxies"
	p.create()
	return p
}

func (p *Proxy) create() {
	p.t.Helper()
	p.send("POST", "", map[string]any{"name": "p", "listen": p.Addr, "upstream": p.upstream, "enabled": true})
}

// Delay lets each answer wait for so many milliseconds.
func (p *Proxy) Delay(ms int) { p.t.Helper(); p.toxic("latency", map[string]any{"latency": ms}) }

// Trickle slows answers down to so many bytes a second.
func (p *Proxy) Trickle(bytes int) {
	p.t.Helper()
	p.toxic("slicer", map[string]any{"average_size": 1, "delay": 1_000_000 / bytes})
}

// Swallow lets connections stand and no answer through.
func (p *Proxy) Swallow() { p.t.Helper(); p.toxic("timeout", map[string]any{"timeout": 0}) }

// Reset resets connections when an answer comes.
func (p *Proxy) Reset() { p.t.Helper(); p.toxic("reset_peer", map[string]any{"timeout": 0}) }

// CutAfter closes a connection after so many bytes of answers.
func (p *Proxy) CutAfter(bytes int) {
	p.t.Helper()
	p.toxic("limit_data", map[string]any{"bytes": bytes})
}

// Down closes all connections and refuses new ones.
func (p *Proxy) Down() { p.t.Helper(); p.send("POST", "/p", map[string]any{"enabled": false}) }

// Heal ends whatever was done. Under load toxiproxy may hang when it is to end a toxic
// (github.com/Shopify/toxiproxy/issues/558): then it is started again, which closes
// all connections.
func (p *Proxy) Heal() {
	p.t.Helper()
	if p.try("DELETE", "/p/toxics/harm", nil) {
		p.send("POST", "/p", map[string]any{"enabled": true})
		return
	}
	p.server.Stop()
	p.server.Start()
	p.create()
}

func (p *Proxy) toxic(kind string, attributes map[string]any) {
	p.t.Helper()
	p.Heal()
	p.send("POST", "/p/toxics", map[string]any{"name": "harm", "type": kind, "stream": "downstream", "attributes": attributes})
}

func (p *Proxy) send(method, path string, body any) {
	p.t.Helper()
	if !p.try(method, path, body) {
		p.t.Fatalf("toxiproxy: %s %s: it does not answer in time", method, path)
	}
}

// try reports false if the proxy does not answer.
func (p *Proxy) try(method, path string, body any) bool {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequest(method, p.api+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if os.IsTimeout(err) {
		return false
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if missing := method == "DELETE" && response.StatusCode == http.StatusNotFound; response.StatusCode >= 400 && !missing {
		p.t.Fatalf("toxiproxy: %s %s: %s", method, path, answer)
	}
	return true
}
