package histories

import (
	"cmp"
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

// op is a call of one client and its result. For the model, a listing is divided into one op
// for each key that it might yield, and a DestroySubject into one op for each record that it
// might remove: the contract does not say that those take effect at one moment.
type op struct {
	client   int
	from, to time.Time
	verb
	key string

	newKey  string   // of ChangeID
	write   int      // the number of the write, of Create, Flush and ChangeID
	again   int      // the number of the write whose content a Flush stores once more, or 0
	base    image    // what Flush and ChangeID have to replace
	version uint64   // of base
	expires int64    // in Unix milliseconds
	subject string   // of the record, or of the call
	except  []string // of DestroySubject
	born    int      // the write that created the record that DestroySubject is about

	err     error    // not wrapped, of package driver
	saw     image    // what Retrieve returned
	mark    string   // the key that Renamed returned
	yields  []string // what a listing yielded
	yielded bool     // whether key was among them
	given   bool     // the call has succeeded, whatever was stored before
	pending bool     // the call has not returned yet, and may have taken effect or not
}

func (o *op) image() image { return image{o.content(), o.expires, o.subject} }

// content returns the number that is in the data that o stores.
func (o *op) content() int { return cmp.Or(o.again, o.write) }

// repeats makes o, a Flush, store what is in i, unless that expires before long: a record that
// reaches a store expires in the future.
func (o *op) repeats(i image) {
	const before = 5 * time.Millisecond
	if time.Until(time.UnixMilli(i.expires)) > before {
		o.again, o.expires, o.subject = i.write, i.expires, i.subject
	}
}

// writesOver reports whether o is a conditional write.
func (o *op) writesOver() bool { return o.verb == doFlush || o.verb == doChangeID }

// changes reports whether o may have changed what is stored.
func (o *op) changes() bool {
	switch o.verb {
	case doRetrieve, doRenamed, doList:
		return false
	}
	return o.err == nil
}

// callText returns how reports print the call. Times are given since start.
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
		if o.again > 0 {
			args[len(args)-1] += fmt.Sprintf(", which repeats %d,", o.again)
		}
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

// resultText returns how reports print the result.
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

// since returns how reports print a time in Unix milliseconds: as a duration since start.
func since(start time.Time, ms int64) string {
	d := time.UnixMilli(ms).Sub(start.Round(0))
	if d > time.Minute {
		return d.Round(time.Minute).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// bare returns the error of package driver that err matches, or err itself, and whether a history
// may have it: ErrNotFound, ErrExists, ErrConflict or nil.
func bare(err error) (error, bool) {
	for _, sentinel := range []error{driver.ErrNotFound, driver.ErrExists, driver.ErrConflict} {
		if errors.Is(err, sentinel) {
			return sentinel, true
		}
	}
	return err, err == nil
}
