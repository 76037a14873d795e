package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/limittest"
	"github.com/countersign/countersign/internal/limit/redis"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

// cluster runs three nodes, each with a third of the slots.
func cluster(t testing.TB) []*redistest.Server {
	t.Helper()
	nodes := make([]*redistest.Server, 3)
	for i := range nodes {
		nodes[i] = redistest.Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
		first, last := 16384*i/3, 16384*(i+1)/3-1
		nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			nodes[i].Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(nodes[0].Port))
		}
	}
	for end := time.Now().Add(10 * time.Second); ; {
		ready := 0
		for _, n := range nodes {
			info := n.Do("CLUSTER", "INFO")
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				ready++
			}
		}
		if ready == len(nodes) {
			return nodes
		}
		if time.Now().After(end) {
			t.Fatal("the nodes do not find each other")
		}
	}
}

// C-37, C-38, over a cluster.
func TestC37AClusterIsALimiter(t *testing.T) {
	fewerSchedules(t, "4")
	nodes := cluster(t)
	engine := open(t, redis.Options{URL: nodes[0].URL(), CallersTime: true, Bound: 10 * time.Second})
	limittest.Run(t, func(*testing.T) limit.Limiter {
		for _, n := range nodes {
			n.Do("FLUSHALL")
		}
		return engine
	})
}

// What spans slots is never more than N, and refusals leave nothing behind.
func TestC37AClusterTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	nodes := cluster(t)
	a, b := open(t, redis.Options{URL: nodes[0].URL(), Bound: 10 * time.Second}), open(t, redis.Options{URL: nodes[1].URL(), Bound: 10 * time.Second})
	total := limit.Count{Rule: limit.Rule{Name: "total", N: 30, Window: time.Hour}, Key: ""}
	passed := make(chan string, 200)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			engine := []*redis.Limiter{a, b}[i%2]
			one := limit.Count{Rule: limit.Rule{Name: "address", N: 4, Window: time.Hour}, Key: fmt.Sprint(i % 10)}
			d, err := engine.Take(t.Context(), time.Now(), total, one)
			if err != nil {
				t.Errorf("Take: %v", err)
			} else if d.Refused == "" {
				passed <- one.Key
			}
		})
	}
	all.Wait()
	close(passed)
	got := map[string]int{}
	n := 0
	for key := range passed {
		got[key]++
		n++
	}
	for key, n := range got {
		if n > 4 {
			t.Errorf("%d passed of address %s", n, key)
		}
	}
	if n != total.Rule.N {
		t.Errorf("%d passed in total, want %d", n, total.Rule.N)
	}
	// What the refused had taken of their address for a moment is free again.
	for key := range 10 {
		one := limit.Count{Rule: limit.Rule{Name: "address", N: 4, Window: time.Hour}, Key: fmt.Sprint(key)}
		for want := 4 - got[one.Key]; want >= 0; want-- {
			d, err := a.Take(t.Context(), time.Now(), one)
			if err != nil || (d.Refused == "") != (want > 0) {
				t.Fatalf("address %d, %d left: %+v %v", key, want, d, err)
			}
		}
	}
}
