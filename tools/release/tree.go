package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// copyTree copies the files of the repository in root to the directory to: those of the last
// commit, or the working tree without the files that git ignores.
func copyTree(ctx context.Context, root, to string, committed bool) error {
	if committed {
		return copyCommit(ctx, root, to)
	}
	files, err := listFiles(ctx, root)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := copyFile(filepath.Join(root, file), filepath.Join(to, file)); err != nil {
			return err
		}
	}
	return nil
}

// listFiles returns the paths, relative to root, of the existing files that git tracks or does
// not ignore.
func listFiles(ctx context.Context, root string) ([]string, error) {
	out, err := output(ctx, root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, but not in a commit
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() { // module zips contain no symbolic links
			files = append(files, filepath.FromSlash(name))
		}
	}
	return files, nil
}

func copyCommit(ctx context.Context, root, to string) error {
	archive, err := output(ctx, root, nil, "git", "archive", "--format=tar", "HEAD")
	if err != nil {
		return err
	}
	tar := exec.CommandContext(ctx, "tar", "-x", "-C", to)
	tar.Stdin = strings.NewReader(archive)
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
