package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Lab is the running world. Its methods may be called from any goroutine.
type Lab struct {
	opt      Options
	dice     *dice
	consoles []*console
	guests   []*guest // the vendors of packages of their own
	engine   *engine

	consoleURLs        []string // by console
	engineURL, control string

	stop    context.CancelFunc // ends the requests that hang
	detach  func() bool        // lets go of the context of Start
	servers []*http.Server
	serving sync.WaitGroup
	conns   sync.WaitGroup
	closing sync.Once
	closed  error
}

// Start brings the lab up and returns once every server listens. It runs until [Lab.Close], or until ctx ends.
func Start(ctx context.Context, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	host, err := loopbackHost(o.Listen)
	if err != nil {
		return nil, err
	}
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lab{opt: o, dice: newDice(o.Seed, o.Faults), stop: stop}
	files := newCorpus(o.Seed, o.Files)
	if o.Huge > 0 {
		files.enlarge(o.Huge)
	}
	listen := o.Listen
	serve := func(h http.Handler) string {
		var url string
		if err == nil {
			url, err = l.serve(base, listen, h)
		}
		listen = net.JoinHostPort(host, "0")
		return url
	}
	for n := range o.Sources {
		if !o.has(productS1) {
			break
		}
		c := newConsole(sourceName(n), n, files, o, l.clock)
		l.consoles = append(l.consoles, c)
		l.consoleURLs = append(l.consoleURLs, serve(l.vendorHandler(c, c.routes())))
	}
	l.guests = l.newGuests(files)
	for _, g := range l.guests {
		g.url = serve(l.vendorHandler(g, g))
	}
	l.engine = newEngine(files, o, l.clock)
	l.engineURL = serve(l.vendorHandler(l.engine, l.engine.routes()))
	l.control = serve(l.controlRoutes())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.detach = context.AfterFunc(ctx, func() { _ = l.Close() })
	return l, nil
}

// sourceName is s1-lab, s1-lab2, s1-lab3 and so on.
func sourceName(n int) string {
	if n == 0 {
		return "s1-lab"
	}
	return fmt.Sprint("s1-lab", n+1)
}

// serve starts one server and returns its URL.
func (l *Lab) serve(base context.Context, listen string, h http.Handler) (string, error) {
	listener, err := new(net.ListenConfig).Listen(base, "tcp", listen)
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // dropped connections are faults that were asked for
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnState:         l.track,
	}
	l.servers = append(l.servers, srv)
	l.serving.Go(func() { _ = srv.Serve(listener) })
	return "http://" + listener.Addr().String(), nil
}

// track counts the connections, so that Close can wait for them.
func (l *Lab) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.conns.Done()
	}
}

// Close ends every server and every request. It may be called more than once.
func (l *Lab) Close() error {
	l.closing.Do(func() {
		if l.detach != nil {
			l.detach()
		}
		l.stop()
		for _, srv := range l.servers {
			l.closed = errors.Join(l.closed, srv.Close())
		}
		l.serving.Wait()
		l.conns.Wait()
	})
	return l.closed
}

// ControlURL is the root of the control server.
func (l *Lab) ControlURL() string { return l.control }

// clock is the vendors' clock.
func (l *Lab) clock() time.Time { return l.opt.Now().Add(l.opt.Skew) }
