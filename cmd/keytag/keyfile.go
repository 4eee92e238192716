package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keytag/keytag/internal/secret"
)

// newFile is a file of mode 0600 that is there before the key it is to hold.
type newFile struct {
	*os.File
	kept bool
}

func createFile(path string) (*newFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errUsage{fmt.Errorf("--write-to: %s exists, and is not overwritten", path)}
	}
	if err != nil {
		return nil, errUsage{fmt.Errorf("--write-to: %w", err)}
	}
	return &newFile{File: f}, nil
}

func (f *newFile) keep(key secret.Secret) error {
	f.kept = true // whatever there is of it by now
	_, err := fmt.Fprintln(f, key.Reveal())
	return errors.Join(err, f.Sync(), syncDirectory(f.Name()))
}

// giveUp closes the file, which goes unless it was kept.
func (f *newFile) giveUp() {
	f.Close()
	if !f.kept {
		os.Remove(f.Name())
	}
}

// syncDirectory has the names in the directory of a file outlive a power cut.
func syncDirectory(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// rotationState is what a rotation that was interrupted goes on from, in a file beside that of the key. It holds no
// secret.
type rotationState struct {
	KeyPrefix string         `json:"keyPrefix"` // of the key that is rotated
	Input     map[string]any `json:"input"`     // RotateViewerKeyInput
}

// keyFile is a file that holds a key, while that is rotated. Beside it there are, with names that begin with a dot,
// the state of the rotation, and the next key until it takes the place of the old one.
type keyFile struct {
	path  string
	lock  *os.File       // the directory
	state *rotationState // nil when there is no rotation to go on with
}

// openKeyFile takes a file for the rotation of the key that it holds, or will. Rotations in one directory wait for each other.
func openKeyFile(path string, key secret.Secret) (*keyFile, error) {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved // a link goes on leading to the file
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, errUsage{fmt.Errorf("--write-to: %w", err)}
	}
	lock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	f := &keyFile{path: path, lock: lock}
	if err := f.read(key); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

const lockFor = 30 * time.Second // is waited for

func lockDirectory(path string) (*os.File, error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, errUsage{fmt.Errorf("--write-to: %w", err)}
	}
	for over := time.Now().Add(lockFor); ; time.Sleep(50 * time.Millisecond) {
		switch err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return d, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), d.Close())
		case time.Now().After(over):
			return nil, errors.Join(errExit{fmt.Errorf("another rotation is under way in %s", path), exitConflict}, d.Close())
		}
	}
}

// read finds out what the file holds, and whether a rotation of the key was begun.
func (f *keyFile) read(key secret.Secret) error {
	held, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errUsage{fmt.Errorf("--write-to: %w", err)}
	}
	if text := strings.TrimSpace(string(held)); text != "" {
		switch there, err := secret.Parse(text); {
		case err != nil:
			return errUsage{fmt.Errorf("--write-to: %s holds something else than a key, and is left alone", f.path)}
		case there.Reveal() != key.Reveal():
			return errExit{fmt.Errorf("--write-to: %s holds another key than the one that is presented, and is left alone", f.path), exitConflict}
		}
	}
	var state rotationState
	if text, err := os.ReadFile(f.beside("rotation")); err == nil && json.Unmarshal(text, &state) == nil && state.KeyPrefix == key.Prefix() {
		f.state = &state
		return nil
	}
	return f.forget()
}

func (f *keyFile) beside(what string) string {
	return filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+"."+what)
}

func (f *keyFile) close() { f.lock.Close() }

// begin notes a rotation, so that it can be gone on with.
func (f *keyFile) begin(state *rotationState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	f.state = state
	return f.write("rotation", string(text))
}

// next is the key that is to take the place of the old one, zero when none was written.
func (f *keyFile) next() secret.Secret {
	file, err := f.openNext()
	if err != nil {
		return secret.Secret{}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil {
		return secret.Secret{}
	}
	key, err := secret.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return secret.Secret{} // torn
	}
	return key
}

// openNext opens the file of the next key if this user has written it, or the owner of the key's file: in a directory of
// somebody else's, a link may stand there that leads to a file of this user's.
func (f *keyFile) openNext() (*os.File, error) {
	file, err := os.OpenFile(f.beside("next"), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	owners := []int{os.Geteuid()}
	if of, known := f.owner(); known {
		owners = append(owners, int(of.Uid))
	}
	if of, known := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || !known || of.Nlink != 1 || !slices.Contains(owners, int(of.Uid)) {
		return nil, errors.Join(fmt.Errorf("%s is not of this program's making", file.Name()), file.Close())
	}
	return file, nil
}

// owner is who owns the file, if it is there.
func (f *keyFile) owner() (*syscall.Stat_t, bool) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, false
	}
	of, known := info.Sys().(*syscall.Stat_t)
	return of, known
}

func (f *keyFile) setNext(key secret.Secret) error { return f.write("next", key.Reveal()) }

func (f *keyFile) write(what, text string) (err error) {
	if err := os.Remove(f.beside(what)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Only into a file of its own making: one that was there might be open to others, or lead elsewhere.
	to, err := os.OpenFile(f.beside(what), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close(), syncDirectory(f.path)) }()
	if _, err := fmt.Fprintln(to, text); err != nil {
		return err
	}
	return to.Sync()
}

// replace puts the next key in the place of the old one. The file stays that of its owner.
func (f *keyFile) replace() error {
	next, err := f.openNext()
	if err != nil {
		return err
	}
	defer next.Close()
	if of, known := f.owner(); known && os.Geteuid() == 0 {
		if err := next.Chown(int(of.Uid), int(of.Gid)); err != nil {
			return err
		}
	}
	if err := os.Rename(f.beside("next"), f.path); err != nil {
		return err
	}
	return syncDirectory(f.path)
}

// forget leaves no rotation to go on with.
func (f *keyFile) forget() error {
	f.state = nil
	for _, what := range []string{"next", "rotation"} {
		if err := os.Remove(f.beside(what)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
