// Command verifiers answers whether other people's libraries agree with ours.
//
// It reads one JSON request a line and writes one JSON answer a line: the fields that were asked
// for, or "error" with the words of the library that refused.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type party struct {
	Name string `json:"name"`
	Seed []byte `json:"seed"`
}

type request struct {
	Op string `json:"op"`

	Note   []byte   `json:"note"`
	Keys   []string `json:"keys"`
	Policy []byte   `json:"policy"`
	Proof  []byte   `json:"proof"`
	Leaf   []byte   `json:"leaf"`

	Index   int64    `json:"index"`
	Size    int64    `json:"size"`
	OldSize int64    `json:"old_size"`
	Root    []byte   `json:"root"`
	OldRoot []byte   `json:"old_root"`
	Hashes  [][]byte `json:"hashes"`

	Folder string `json:"folder"`

	Log       party    `json:"log"`
	Witnesses []party  `json:"witnesses"`
	Entries   [][]byte `json:"entries"`
	Extra     []byte   `json:"extra"`
}

type signed struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	Time int64  `json:"time"`
}

type answer struct {
	Error   string   `json:"error,omitempty"`
	Signed  []signed `json:"signed,omitempty"`
	Origin  string   `json:"origin,omitempty"`
	Size    int64    `json:"size,omitempty"`
	Root    []byte   `json:"root,omitempty"`
	Entries [][]byte `json:"entries,omitempty"`
	Proof   []byte   `json:"proof,omitempty"`
	Keys    []string `json:"keys,omitempty"`
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		var given answer
		if err = json.Unmarshal(line, &asked); err == nil {
			given, err = do(asked)
		}
		if err != nil {
			given = answer{Error: err.Error()}
		}
		if err := out.Encode(given); err != nil {
			panic(err)
		}
	}
}

func do(asked request) (answer, error) {
	switch asked.Op {
	case "note":
		return openNote(asked)
	case "checkpoint":
		return openCheckpoint(asked)
	case "proof":
		return answer{}, verifyProof(asked)
	case "inclusion":
		return answer{}, checkInclusion(asked)
	case "consistency":
		return answer{}, checkConsistency(asked)
	case "tiles":
		return readTiles(asked)
	case "make":
		return makeProof(asked)
	}
	return answer{}, fmt.Errorf("no such op: %q", asked.Op)
}

// verifier reads a vkey of either Ed25519 type.
func verifier(vkey string) (note.Verifier, error) {
	if v, err := note.NewVerifier(vkey); err == nil {
		return v, nil
	}
	return torchwood.NewCosignatureVerifier(vkey)
}

func openNote(asked request) (answer, error) {
	var known []note.Verifier
	cosigners := map[uint32]bool{}
	for _, vkey := range asked.Keys {
		v, err := verifier(vkey)
		if err != nil {
			return answer{}, err
		}
		known = append(known, v)
		if _, ok := v.(*torchwood.CosignatureVerifier); ok {
			cosigners[v.KeyHash()] = true
		}
	}
	opened, err := note.Open(asked.Note, note.VerifierList(known...))
	if err != nil {
		return answer{}, err
	}
	var given answer
	for _, sig := range opened.Sigs {
		line := signed{Name: sig.Name, ID: fmt.Sprintf("%08x", sig.Hash)}
		if cosigners[sig.Hash] {
			if line.Time, err = torchwood.CosignatureTimestamp(sig); err != nil {
				return answer{}, err
			}
		}
		given.Signed = append(given.Signed, line)
	}
	return given, nil
}

func openCheckpoint(asked request) (answer, error) {
	policy, err := torchwood.ParsePolicy(asked.Policy)
	if err != nil {
		return answer{}, err
	}
	head, _, err := torchwood.VerifyCheckpoint(asked.Note, policy)
	if err != nil {
		return answer{}, err
	}
	return answer{Origin: head.Origin, Size: head.N, Root: head.Hash[:]}, nil
}

func verifyProof(asked request) error {
	policy, err := torchwood.ParsePolicy(asked.Policy)
	if err != nil {
		return err
	}
	leaf, err := hash(asked.Leaf)
	if err != nil {
		return err
	}
	return torchwood.VerifyProof(policy, leaf, asked.Proof)
}

func checkInclusion(asked request) error {
	all, err := hashes(append(asked.Hashes, asked.Root, asked.Leaf))
	if err != nil {
		return err
	}
	n := len(all) - 2
	return tlog.CheckRecord(all[:n], asked.Size, all[n], asked.Index, all[n+1])
}

func checkConsistency(asked request) error {
	all, err := hashes(append(asked.Hashes, asked.Root, asked.OldRoot))
	if err != nil {
		return err
	}
	n := len(all) - 2
	return tlog.CheckTree(all[:n], asked.Size, all[n], asked.OldSize, all[n+1])
}

// readTiles reads a whole log from its folder; the client checks every tile against the checkpoint.
func readTiles(asked request) (answer, error) {
	given, err := openCheckpoint(asked)
	if err != nil {
		return answer{}, err
	}
	root, err := hash(given.Root)
	if err != nil {
		return answer{}, err
	}
	tiles, err := torchwood.NewTileFS(os.DirFS(asked.Folder))
	if err != nil {
		return answer{}, err
	}
	client, err := torchwood.NewClient(tiles)
	if err != nil {
		return answer{}, err
	}
	tree := tlog.Tree{N: given.Size, Hash: root}
	for _, entry := range client.AllEntries(context.Background(), tree, 0) {
		given.Entries = append(given.Entries, bytes.Clone(entry))
	}
	return given, client.Err()
}

// makeProof is the other direction: their tree, note, cosignatures and proof for us to check.
func makeProof(asked request) (answer, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(at))
		for i, index := range at {
			found[i] = stored[index]
		}
		return found, nil
	})
	for i, entry := range asked.Entries {
		more, err := tlog.StoredHashes(int64(i), entry, reader)
		if err != nil {
			return answer{}, err
		}
		stored = append(stored, more...)
	}
	size := int64(len(asked.Entries))
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		return answer{}, err
	}
	path, err := tlog.ProveRecord(size, asked.Index, reader)
	if err != nil {
		return answer{}, err
	}

	var given answer
	log, vkey, err := logSigner(asked.Log)
	if err != nil {
		return answer{}, err
	}
	given.Keys = append(given.Keys, vkey)
	signers := []note.Signer{log}
	for _, witness := range asked.Witnesses {
		if len(witness.Seed) != ed25519.SeedSize {
			return answer{}, errors.New("a seed has 32 bytes")
		}
		signer, err := torchwood.NewCosignatureSigner(witness.Name, ed25519.NewKeyFromSeed(witness.Seed))
		if err != nil {
			return answer{}, err
		}
		signers = append(signers, signer)
		given.Keys = append(given.Keys, signer.Verifier().String())
	}
	head := torchwood.Checkpoint{Origin: asked.Log.Name, Tree: tlog.Tree{N: size, Hash: root}}
	text, err := note.Sign(&note.Note{Text: head.String()}, signers...)
	if err != nil {
		return answer{}, err
	}
	if len(asked.Extra) > 0 {
		given.Proof = torchwood.FormatProofWithExtraData(asked.Index, asked.Extra, path, text)
	} else {
		given.Proof = torchwood.FormatProof(asked.Index, path, text)
	}
	return given, nil
}

// logSigner spells a seed as the library's signer keys are spelled.
func logSigner(log party) (note.Signer, string, error) {
	if len(log.Seed) != ed25519.SeedSize {
		return nil, "", errors.New("a seed has 32 bytes")
	}
	public := ed25519.NewKeyFromSeed(log.Seed).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(log.Name, public)
	if err != nil {
		return nil, "", err
	}
	id := strings.SplitN(vkey, "+", 3)[1]
	secret := base64.StdEncoding.EncodeToString(append([]byte{1}, log.Seed...))
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", log.Name, id, secret))
	return signer, vkey, err
}

func hash(data []byte) (tlog.Hash, error) {
	if len(data) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("a hash has 32 bytes, not %d", len(data))
	}
	return tlog.Hash(data), nil
}

func hashes(all [][]byte) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(all))
	for i, data := range all {
		var err error
		if out[i], err = hash(data); err != nil {
			return nil, err
		}
	}
	return out, nil
}
