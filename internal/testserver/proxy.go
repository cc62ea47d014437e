package testserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
)

// Proxy stands between a client and a server, and does harm.
type Proxy struct {
	Addr string // for the client
	t    testing.TB
	url  string
}

// StartProxy starts a proxy in front of the server at an address.
func StartProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	program := build(t, "toxiproxy")
	s := start(t, program, func(host, port string) []string { return []string{net.JoinHostPort(host, port)} })
	p := &Proxy{Addr: freeAddr(t), t: t, url: "http://" + s.Addr + "/proxies"}
	p.send("POST", "", map[string]any{"name": "p", "listen": p.Addr, "upstream": upstream, "enabled": true})
	p.url += "/p"
	return p
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
func (p *Proxy) Down() { p.t.Helper(); p.send("POST", "", map[string]any{"enabled": false}) }

// Heal ends whatever was done. A connection that holds back what it was told to may keep
// the proxy waiting: then all are closed first.
func (p *Proxy) Heal() {
	p.t.Helper()
	if !p.try("DELETE", "/toxics/harm", nil) {
		p.Down()
		p.send("DELETE", "/toxics/harm", nil)
	}
	p.send("POST", "", map[string]any{"enabled": true})
}

func (p *Proxy) toxic(kind string, attributes map[string]any) {
	p.t.Helper()
	p.Heal()
	p.send("POST", "/toxics", map[string]any{"name": "harm", "type": kind, "stream": "downstream", "attributes": attributes})
}

func (p *Proxy) send(method, path string, body any) {
	p.t.Helper()
	if !p.try(method, path, body) {
		p.t.Fatalf("toxiproxy: %s %s: it does not answer in time", method, path)
	}
}

// try reports false if the proxy is busy for too long.
func (p *Proxy) try(method, path string, body any) bool {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequest(method, p.url+path, bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	if missing := method == "DELETE" && response.StatusCode == http.StatusNotFound; response.StatusCode >= 400 && !missing {
		p.t.Fatalf("toxiproxy: %s %s: %s", method, path, answer)
	}
	return true
}
