package faulty

import (
	"math/rand/v2"
	"time"

	"gosession.dev/session/driver"
)

var versionMutants = []Mutant{
	{Kills: "Version/OfEachWrite", Fault: "keeps the version if the data does not change",
		Also: []string{"Flush/EqualData"}, // also looks at the version
		breaks: func(s *store) {
			s.reuse(func(method string, r, old *driver.Record) bool {
				return method == "Flush" && string(r.Data) == string(old.Data)
			})
		}},
	{Kills: "Version/AfterDestroy", Fault: "repeats the first version of a key after Destroy",
		breaks: func(s *store) {
			s.reuse(func(method string, r, _ *driver.Record) bool {
				return method == "Create" && s.world.destroyed[r.Key]
			})
		}},
	{Kills: "Version/AfterExpiry", Fault: "repeats the first version of a key after DeleteExpired",
		breaks: func(s *store) {
			s.reuse(func(method string, r, _ *driver.Record) bool {
				return method == "Create" && !s.world.destroyed[r.Key]
			})
		}},
	{Kills: "Version/ThereAndBack", Fault: "repeats the first version of a key after ChangeID",
		breaks: func(s *store) {
			s.reuse(func(method string, _, _ *driver.Record) bool { return method == "ChangeID" })
		}},
	{Kills: "Version/Wide", Fault: "draws 48 random bits",
		Also:   []string{"Version/NoClock"}, // takes some numbers of so few bits for times
		breaks: func(s *store) { s.number(func(uint64) uint64 { return rand.Uint64()>>16 | 1 }) }},
	{Kills: "Version/NoClock", Fault: "uses the time in microseconds",
		breaks: func(s *store) {
			s.number(func(last uint64) uint64 { return max(last+1, uint64(time.Now().UnixMicro())) })
		}},
}

var moreVersionMutants = []Mutant{
	{Kills: "Version/Wide", Fault: "draws 32 random bits below a time in seconds",
		breaks: func(s *store) {
			s.number(func(uint64) uint64 { return uint64(time.Now().Unix())<<32 | uint64(rand.Uint32()) })
		}},
	{Kills: "Version/NoClock", Fault: "uses the time in nanoseconds",
		breaks: func(s *store) {
			s.number(func(last uint64) uint64 { return max(last+1, uint64(time.Now().UnixNano())) })
		}},
	{Kills: "Version/NoClock", Fault: "draws 20 random bits below a time in milliseconds",
		Also: []string{"Version/Wide"}, // also looks for random bits
		breaks: func(s *store) {
			s.number(func(uint64) uint64 { return uint64(time.Now().UnixMilli())<<20 | uint64(rand.Uint32N(1<<20)) })
		}},
}

// number makes the store use the versions that draw returns. draw gets the last version of any key.
func (s *store) number(draw func(last uint64) uint64) {
	s.numberBy(func(string, *driver.Record, *driver.Record) uint64 {
		s.world.last = draw(s.world.last)
		return s.world.last
	})
}
