package drivertest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// verb is the method that a client calls.
type verb string

const (
	doCreate         verb = "Create"
	doRetrieve       verb = "Retrieve"
	doFlush          verb = "Flush"
	doChangeID       verb = "ChangeID"
	doTouch          verb = "Touch"
	doDestroy        verb = "Destroy"
	doList           verb = "Sessions" // or SubjectSessions, if there is a subject
	doDestroySubject verb = "DestroySubject"
	doRenamed        verb = "Renamed"
)

// op is a call and its result, as one client had it. To the model, a listing is
// one op for each key that it might yield, and DestroySubject one for each record that
// it might remove: the contract does not say that those are of one moment.
type op struct {
	client   int
	from, to time.Time
	verb
	key string

	newKey  string   // of ChangeID
	write   int      // the number of what Create, Flush and ChangeID store
	base    image    // what Flush and ChangeID are to replace
	version uint64   // of base
	expires int64    // in Unix milliseconds
	subject string   // of the record, or of the call
	except  []string // of DestroySubject
	born    int      // the record that DestroySubject is about

	err     error    // bare, of package driver
	saw     image    // what Retrieve returned
	mark    string   // the key that Renamed returned
	yields  []string // what a listing yielded
	yielded bool     // whether key was among them
	given   bool     // it has succeeded, whatever was stored before
	pending bool     // it had not returned, and may have had its effect or not
}

func (o *op) image() image { return image{o.write, o.expires, o.subject} }

// writesOver tells whether o is conditional.
func (o *op) writesOver() bool { return o.verb == doFlush || o.verb == doChangeID }

// changes tells whether o has an effect.
func (o *op) changes() bool {
	switch o.verb {
	case doRetrieve, doRenamed, doList:
		return false
	}
	return o.err == nil
}

// callText is the call as it is printed. Times are given since start.
func (o *op) callText(start time.Time) string {
	args := []string{fmt.Sprintf("%q", o.key)}
	switch o.verb {
	case doList:
		if o.subject == "" {
			return "Sessions()"
		}
		return fmt.Sprintf("SubjectSessions(%q)", o.subject)
	case doDestroySubject:
		args[0] = fmt.Sprintf("%q", o.subject)
		if len(o.except) > 0 {
			args = append(args, fmt.Sprintf("except %q", o.except))
		}
	case doChangeID:
		args = append(args, fmt.Sprintf("%q", o.newKey))
	}
	if o.write > 0 {
		args = append(args, fmt.Sprintf("write %d", o.write))
		if o.writesOver() {
			args[len(args)-1] += fmt.Sprintf(" over %d", o.base.write)
		}
		args[len(args)-1] += ofSubject(o.subject)
	}
	if o.expires > 0 {
		args[len(args)-1] += " until " + since(start, o.expires)
	}
	return fmt.Sprintf("%s(%s)", o.verb, strings.Join(args, ", "))
}

// resultText is what o returned, as it is printed.
func (o *op) resultText(start time.Time) string {
	switch {
	case o.err != nil:
		return text(o.err)
	case o.verb == doRetrieve:
		return fmt.Sprintf("write %d%s until %s", o.saw.write, ofSubject(o.saw.subject), since(start, o.saw.expires))
	case o.verb == doRenamed:
		return fmt.Sprintf("to %q", o.mark)
	case o.verb == doList && o.yielded:
		return fmt.Sprintf("with %q", o.key)
	case o.verb == doList:
		return fmt.Sprintf("without %q", o.key)
	}
	return "nil"
}

func ofSubject(subject string) string {
	if subject == "" {
		return ""
	}
	return fmt.Sprintf(" of %q", subject)
}

// since is a time after start, as it is printed.
func since(start time.Time, ms int64) string {
	d := time.UnixMilli(ms).Sub(start.Round(0))
	if d > time.Minute {
		return d.Round(time.Minute).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// bare returns the error of package driver that err is, and whether it is one that
// a history may have, or nil.
func bare(err error) (error, bool) {
	for _, sentinel := range []error{driver.ErrNotFound, driver.ErrExists, driver.ErrConflict} {
		if errors.Is(err, sentinel) {
			return sentinel, true
		}
	}
	return err, err == nil
}
