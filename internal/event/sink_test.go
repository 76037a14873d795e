package event

import (
	"errors"
	"strings"
	"testing"
)

func TestWriterPrintsALineAnEvent(t *testing.T) {
	var out strings.Builder
	s := NewWriter("stdout", &out)
	head, err := s.Write(t.Context(), []Event{{ID: "1"}, {ID: "2"}})
	if err != nil || head != (Head{}) || s.Name() != "stdout" {
		t.Errorf("%v, %v, %v", head, err, s.Name())
	}
	if want := "{\"id\":\"1\"}\n{\"id\":\"2\"}\n"; out.String() != want {
		t.Errorf("printed %q", out.String())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errFull }

func TestWriterTellsOfAFailure(t *testing.T) {
	if _, err := NewWriter("stdout", broken{}).Write(t.Context(), []Event{{}}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}
