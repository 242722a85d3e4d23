// Command profile is edrc with a profiler around it: `bench -profile DIR` builds
// it in place of edrc. EDRC_BENCH_PROFILE names the directory for cpu.pprof and
// heap.pprof; the heap is the largest one seen.
package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"edrc/internal/cli"
)

func main() {
	dir := os.Getenv("EDRC_BENCH_PROFILE")
	if dir == "" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		panic(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { watchHeap(filepath.Join(dir, "heap.pprof"), done) })
	code := cli.Main(os.Args[1:])
	close(done)
	wg.Wait()
	pprof.StopCPUProfile()
	if err := cpu.Close(); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// watchHeap keeps the profile of the largest heap in use.
func watchHeap(path string, done <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var most uint64
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapInuse < most+most/20 {
			continue
		}
		most = m.HeapInuse
		if f, err := os.Create(path); err == nil {
			_ = pprof.Lookup("heap").WriteTo(f, 0)
			_ = f.Close()
		}
	}
}
