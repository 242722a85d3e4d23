package cli

import (
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/triage"
)

func newAlertsOpen(a *app) *cobra.Command {
	show := false
	c := &cobra.Command{
		Use: "open REF", Short: "Open an alert or an incident in its console",
		Long: `Open shows the console's page in the browser. Without a terminal or a display, or
with --print, it prints the page's address instead.`,
		Example: "  edrc alerts open s1-prod:1698432198765432101\n  edrc alerts open mde:incident/28282 --print",
		Args:    exact(1, "the REF of an alert or an incident"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.begin(cmd, nil, serviceOptions{})
			if err != nil {
				return err
			}
			if out.Format != "" && out.Format != "table" || out.Machine() {
				return fault.Usagef("open prints an address, and nothing else: leave out -o, --jq and --template").
					WithHint("the address is a field of `edrc alerts get REF -o json`: .url")
			}
			return runAlertsOpen(cmd, a, svc, args[0], show)
		},
	}
	c.Flags().BoolVar(&show, "print", false, "print the address, open nothing")
	return c
}

func runAlertsOpen(cmd *cobra.Command, a *app, svc *triage.Service, arg string, show bool) error {
	ctx := cmd.Context()
	ref, err := svc.Expand(ctx, arg)
	if err != nil {
		return err
	}
	page, err := pageOf(cmd, svc, ref)
	if err != nil {
		return err
	}
	address, err := consoleAddress(ref, page)
	if err != nil {
		return err
	}
	if show || !a.IO.OutTTY || !a.hasDisplay() {
		_, err := fmt.Fprintln(a.IO.Out, safe.Line(address))
		return err
	}
	name, args := opener(address)
	if err := a.run(name, args...); err != nil {
		return fault.New(fault.Unavailable, "the browser cannot be opened: %w", err).WithHint("the page is %s", address)
	}
	a.say("opened %s", address)
	return nil
}

// pageOf asks the product for the page of an alert, or of an incident of its own. An
// alert without a page is on that of its incident.
func pageOf(cmd *cobra.Command, svc *triage.Service, ref alert.Ref) (string, error) {
	if ref.Incident {
		in, own, err := svc.Incident(cmd.Context(), ref)
		if err != nil {
			return "", err
		}
		if own {
			return in.URL, nil
		}
		ref.Incident = false
	}
	d, err := svc.Get(cmd.Context(), ref, false)
	if err != nil {
		return "", err
	}
	if group := d.Alert.Group; d.Alert.URL == "" && group != "" {
		if in, own, err := svc.Incident(cmd.Context(), alert.Ref{Source: ref.Source, Incident: true, ID: group}); err == nil && own {
			return in.URL, nil
		}
	}
	return d.Alert.URL, nil
}

// consoleAddress is what may be given to a browser. The address came from a vendor, or was
// made of what a vendor said: anything but a page over https is refused, and it is spelt anew so
// that nothing in it means something to a shell or to a terminal.
func consoleAddress(ref alert.Ref, page string) (string, error) {
	if page == "" {
		return "", fault.New(fault.NotFound, "%s has no page in its console that is known", ref)
	}
	u, err := url.Parse(page)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", fault.New(fault.Invalid, "the address of %s is not that of a web page: %q", ref, page)
	}
	return u.String(), nil
}

// loopback reports whether a host is this machine, where the lab's consoles are.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// hasDisplay reports whether a browser could be shown: over ssh, or on a server, it could
// not.
func (a *app) hasDisplay() bool {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return true
	}
	for _, name := range []string{"DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"} {
		if v, _ := a.LookupEnv(name); v != "" {
			return true
		}
	}
	return false
}

// opener is the program that shows a page, with its arguments; no shell is between.
func opener(address string) (string, []string) {
	switch runtime.GOOS {
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler", address}
	case "darwin":
		return "open", []string{address}
	}
	return "xdg-open", []string{address}
}

// run starts a program for a person, and waits until it has handed the page over.
func (a *app) run(name string, args ...string) error {
	if a.Run != nil {
		return a.Run(name, args...)
	}
	return exec.Command(name, args...).Run()
}
