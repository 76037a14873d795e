package redis

import (
	"net"
	"testing"
	"time"
)

func TestFramesEndWhereMessagesDo(t *testing.T) {
	for text, want := range map[string]int64{
		"":                        0,
		"+OK\r\n":                 1,
		"-ERR no\r\n:7\r\n":       2,
		":-7\r\n":                 1,
		"$3\r\nabc\r\n":           1,
		"$0\r\n\r\n":              1,
		"$-1\r\n":                 1,
		"$4\r\n\r\n\r\n\r\n":      1,
		"$3\r\nabc\r":             0,
		"*2\r\n:1\r\n$1\r\nx\r\n": 1,
		"*2\r\n:1\r\n":            0,
		"*0\r\n*-1\r\n":           2,
		"*2\r\n*2\r\n:1\r\n:2\r\n*0\r\n+next\r\n": 2,
	} {
		var f frames
		if got, err := f.feed([]byte(text)); got != want || err != nil {
			t.Errorf("%q: %d messages, %v, want %d", text, got, err, want)
		}
	}
}

func TestFramesKnowWhatThereCannotBe(t *testing.T) {
	for _, text := range []string{
		"\r\n", "\n", "+\n", "?1\r\n", ">1\r\n", "%1\r\n", "HTTP/1.1 200 OK\r\n", "$\r\n", "$-2\r\n", "$x\r\n", ":\r\n", ":-\r\n", ":1x\r\n",
		"$1048577\r\n", "*32769\r\n", "*-2\r\n", "$99999999999999999999999999\r\n", ":99999999999999999999999999\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "+" + string(make([]byte, mostLine)),
	} {
		var f frames
		if _, err := f.feed([]byte(text)); err == nil {
			t.Errorf("%q is let through", text)
		}
	}
}

func TestTheGuardLetsNoAnswerThroughThatNobodyAskedFor(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	g := &guard{Conn: ours}
	defer g.Close()
	go func() {
		buf := make([]byte, 64)
		_, _ = theirs.Read(buf)
		_, _ = theirs.Write([]byte("+PONG\r\n"))
		_, _ = theirs.Write([]byte("+PONG\r\n"))
	}()
	_ = ours.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := g.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n, err := g.Read(buf); err != nil || string(buf[:n]) != "+PONG\r\n" {
		t.Fatalf("the answer: %q %v", buf[:n], err)
	}
	if _, err := g.Read(buf); err != errUnasked {
		t.Errorf("the second answer: %v", err)
	}
}

// However the text is cut into pieces, it says the same.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("*2\r\n*2\r\n:1\r\n:2\r\n$3\r\nabc\r\n+next\r\n-ERR\r\n"))
	f.Add([]byte("$-1\r\n*-1\r\n*1\r\n"))
	f.Add([]byte(":99999999999999999999\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var whole, pieces frames
		want, wantErr := whole.feed(text)
		var got int64
		var err error
		for i := 0; i < len(text) && err == nil; i++ {
			var n int64
			n, err = pieces.feed(text[i : i+1])
			got += n
		}
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: at once %d %v, piece by piece %d %v", text, want, wantErr, got, err)
		}
		if len(whole.open) > mostDepth {
			t.Errorf("%q: %d arrays within one another", text, len(whole.open))
		}
	})
}
