package gatewaytest

import (
	"errors"

	"github.com/countersign/countersign/internal/gateway/smpp"
)

// write sends a PDU; a connection that is lost is noticed by its reader.
func (l *line) write(p smpp.PDU) {
	octets, err := smpp.Encode(p)
	if err != nil {
		panic(err) // of the test's own making
	}
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	_, _ = l.conn.Write(octets)
}

// ask sends a request and waits for its answer.
func (l *line) ask(p smpp.PDU) (smpp.PDU, error) {
	got, ok := <-l.send(p)
	if !ok {
		return smpp.PDU{}, errors.New("the connection was lost")
	}
	return got, nil
}

// send sends a request. The channel has its answer, or is closed with the
// connection.
func (l *line) send(p smpp.PDU) <-chan smpp.PDU {
	answer := make(chan smpp.PDU, 1)
	l.mu.Lock()
	if l.asked == nil {
		l.mu.Unlock()
		close(answer)
		return answer
	}
	l.last++
	p.Sequence = l.last
	l.asked[p.Sequence] = answer
	l.mu.Unlock()
	l.write(p)
	return answer
}

// answered hands an answer to whoever asked.
func (l *line) answered(p smpp.PDU) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answer, ok := l.asked[p.Sequence]; ok {
		delete(l.asked, p.Sequence)
		answer <- p
	}
}

// forget ends all waiting for answers.
func (l *line) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, answer := range l.asked {
		close(answer)
	}
	l.asked = nil
}
