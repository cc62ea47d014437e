package migrate_test

import (
	"context"
	"fmt"
	"log"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
)

// A site moves its sessions while two of its processes run, one at step 1 and one at step 2.
// The stores are in memory so that the example is self-contained; a site opens them by their
// drivers, or both at once by the DSN of this package.
func Example() {
	ctx := context.Background()
	oldStore, newStore := memory.New(memory.Options{}), memory.New(memory.Options{})

	// Step 1: sessions begin and stay in the old backend.
	step1, err := session.Config{}.New(migrate.Prepare(newStore, oldStore))
	if err != nil {
		log.Fatal(err)
	}
	s, err := step1.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Set("items", 2); err != nil {
		log.Fatal(err)
	}
	if err := s.Flush(ctx); err != nil {
		log.Fatal(err)
	}

	// Step 2: sessions begin in the new backend, and move to it when they are written.
	step2, err := session.Config{}.New(migrate.New(newStore, oldStore))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := step2.Create(ctx); err != nil {
		log.Fatal(err)
	}

	// Step 3: move the rest, while both processes run.
	stats, err := migrate.Move(ctx, newStore, oldStore, migrate.MoveOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("moved %d of %d, left %d\n", stats.Moved, stats.Total, stats.Left)

	// Step 4: use the new backend alone.
	step4, err := session.Config{}.New(newStore)
	if err != nil {
		log.Fatal(err)
	}
	moved, err := step4.Retrieve(ctx, s.ID())
	if err != nil {
		log.Fatal(err)
	}
	items, err := session.Get[int](moved, "items")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("items:", items)
	// Output:
	// moved 1 of 1, left 0
	// items: 2
}

func ExampleMove() {
	ctx := context.Background()
	oldStore, newStore := memory.New(memory.Options{}), memory.New(memory.Options{})
	sessions, err := session.Config{}.New(oldStore)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, err := sessions.Create(ctx); err != nil {
			log.Fatal(err)
		}
	}

	stats, err := migrate.Move(ctx, newStore, oldStore, migrate.MoveOptions{
		Progress: func(s migrate.MoveStats) { fmt.Printf("%d of %d\n", s.Done, s.Total) },
	})
	if err != nil {
		log.Fatal(err) // call Move again to continue
	}
	fmt.Println("moved:", stats.Moved)
	// Output:
	// 1 of 3
	// 2 of 3
	// 3 of 3
	// moved: 3
}
