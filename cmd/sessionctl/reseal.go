package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gosession.dev/session"
)

func (c *ctl) reseal() *cobra.Command {
	var unsealed bool
	run := func(cmd *cobra.Command, f opened, _ []string) error {
		if len(f.secrets) == 0 {
			return usage("SESSION_SECRETS is not set: set it to the secrets of Config.Secrets, the new one first")
		}
		if err := mustExist(cmd.Context(), f.store); err != nil {
			return err
		}
		n, err := f.Reseal(cmd.Context())
		said := c.result(map[string]int{"resealed": n}, "resealed: %d", n)
		if isUnreadable(err) {
			err = coded{fmt.Errorf("%w; sessionctl check lists them, and --unsealed seals those that are not sealed", err), exitCorrupt}
		}
		return errors.Join(err, said)
	}
	cmd := &cobra.Command{
		Use: "reseal", Short: "seal all sessions under the first secret of SESSION_SECRETS", Args: noArgs,
		Long: `Seal all sessions under the first secret of SESSION_SECRETS. Applications may run
meanwhile. When sessionctl check then counts no sessions under the other secrets, you
can remove these from the configuration. You can interrupt reseal and run it again.

A session that is not sealed stays as it is, unless you add --unsealed. Do that once,
when you introduce secrets: an attacker who can write to the backend can store
sessions that are not sealed, and --unsealed would make them valid.`,
		Example: "  SESSION_SECRETS=$NEW,$OLD sessionctl reseal",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withConfig(session.Config{Timeouts: noTimeouts, InsecureReadUnsealed: unsealed}, run)(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&unsealed, "unsealed", false, "also seal sessions that are not sealed")
	return cmd
}
