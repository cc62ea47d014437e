package histories

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/drivertest"
)

// program is one run of a program: a sequence of random calls.
type program struct {
	*programs
	g     *group // its clients share what they know
	state state
	first map[string]known // what was first known of each key
	lines []string
	start time.Time
}

// run makes the calls of a program, and then looks at every key. It returns a report if the
// results contradict the contract, and "" otherwise.
func (p *programs) run(steps []step) (report string) {
	p.n++
	run := &program{programs: p, g: p.newGroup(fmt.Sprintf("p%d-", p.n)), first: map[string]known{}, start: time.Now()}
	run.shareKnown()
	defer run.g.clean()
	for key := range programKeys {
		steps = append(slices.Clip(steps), step{verb: doRetrieve, key: key})
		if p.can(drivertest.RenameTracker) {
			steps = append(steps, step{verb: doRenamed, key: key})
		}
	}
	for _, s := range steps {
		if wrong := run.step(s); wrong != "" {
			lines := slices.Concat([]string{"this program contradicts the contract:"}, run.lines, []string{wrong})
			return strings.ReplaceAll(strings.Join(lines, "\n"), run.g.name, "")
		}
	}
	return ""
}

// shareKnown lets all clients know what one of them has read or written, so that a record that
// was read through one handle is written through another.
func (p *program) shareKnown() {
	for _, c := range p.g.clients {
		c.known = p.g.clients[0].known
	}
}

// step makes the call of s, unless it makes no sense in the present state. It returns what is
// wrong with the result.
func (p *program) step(s step) (wrong string) {
	key, to := p.g.name+programKeys[s.key], p.g.name+programKeys[s.to]
	o := &op{verb: s.verb, key: key, client: s.store % len(p.g.clients), subject: p.g.subject(s.subject)}
	switch s.verb {
	case doWait:
		time.Sleep(time.Until(p.g.last) + p.model.late + margin)
		p.lines = append(p.lines, "          wait until it has expired")
		return ""
	case doSweep:
		_, err := p.stores[s.store].DeleteExpired(p.ctx)
		p.lines = append(p.lines, "          DeleteExpired()")
		return wrongly(unless(err, nil, "DeleteExpired()"))
	case doFlush, doChangeID:
		if s.verb == doChangeID && to == key {
			return ""
		}
		return p.writeOver(o, to, s)
	case doCreate:
		o.write, o.expires = p.g.nextWrite(), p.g.expiryAt(s.soon)
	case doTouch:
		o.subject, o.expires = "", p.g.expiryAt(s.soon)
	case doList:
		o.subject = p.listed(s.subject)
	case doDestroySubject:
		o.subject = p.g.subject(s.subject % 3)
	}
	return p.play(o)
}

// listed returns the subject whose sessions are listed, or "" to list all sessions.
func (p *program) listed(n int) string {
	switch {
	case !p.can(drivertest.SubjectLister):
		return ""
	case !p.canList():
		n %= 3
	}
	return p.g.subject(n)
}

// writeOver makes a conditional write over the version that was read or written last or, if the
// step is stale, first. If no version is known, for example because the store did not report
// one, writeOver reads the record before it writes.
func (p *program) writeOver(o *op, to string, s step) (wrong string) {
	seen, ok := p.g.clients[0].known[o.key]
	if !ok {
		if wrong := p.play(&op{verb: doRetrieve, key: o.key, client: o.client}); wrong != "" {
			return wrong
		}
		seen, ok = p.g.clients[0].known[o.key]
	}
	last := seen.image
	switch {
	case s.stale && ok:
		seen = p.first[o.key]
	case !ok:
		seen.version = 1 // there is no record, so any version will do
	}
	if o.verb == doChangeID {
		o.newKey = to
	}
	o.base, o.version = seen.image, seen.version
	o.write, o.expires = p.g.nextWrite(), p.g.expiryAt(s.soon)
	if s.again && ok && o.verb == doFlush {
		o.repeats(last)
	}
	return p.play(o)
}

// play makes the call o, and compares its result with the model.
func (p *program) play(o *op) (wrong string) {
	if err := p.g.clients[o.client].play(o); err != nil {
		return wrongly(err)
	}
	p.g.ops = append(p.g.ops, o)
	for key, k := range p.g.clients[0].known {
		if _, seen := p.first[key]; !seen {
			p.first[key] = k
		}
	}
	if key := o.twice(p.g.ops); key != "" {
		return fmt.Sprintf("  %s yields %q twice; want it once\nStore.Sessions says: %s", o.callText(p.start), key, listsOnce)
	}
	for _, part := range p.parts(o) {
		possible, next := p.model.step(p.state, part)
		if !possible {
			return fmt.Sprintf("%s; want %s\n%s", p.line(part), p.model.wanted(p.state, part, p.start), says(slices.Concat([]*op{part}, p.g.ops)))
		}
		p.state = next
	}
	p.lines = append(p.lines, p.line(o))
	return ""
}

func (p *program) line(o *op) string {
	return fmt.Sprintf("  %-7s %s = %s", short(o.from.Sub(p.start)), o.callText(p.start), o.resultText(p.start))
}

// parts divides a call about several records into one for each record.
func (p *program) parts(o *op) []*op {
	switch o.verb {
	case doList:
		return o.perKey(p.g.ops, p.model.marks)
	case doDestroySubject:
		return o.perRecord(p.g.ops)
	}
	return []*op{o}
}

// wrongly returns how a report prints an error that no program may get.
func wrongly(err error) string {
	if err == nil {
		return ""
	}
	return "  " + err.Error()
}
