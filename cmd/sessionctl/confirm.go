package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
)

// confirms asks the operator a question and reports whether they answer y or yes. The end of the
// input, and of ctx, is a no.
func (c *ctl) confirms(ctx context.Context, question string) bool {
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		answer, err := bufio.NewReader(c.in).ReadString('\n')
		if err != nil { // end the line of the question
			fmt.Fprintln(c.err)
		}
		answered <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answered:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		fmt.Fprintln(c.err)
		return false
	}
}
