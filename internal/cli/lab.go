package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/report"
)

func newLab(a *app) *cobra.Command {
	return group("lab", "The vendors, simulated on this machine: to learn, rehearse and test", newLabUp(a), newLabState(a))
}

type labFlags struct {
	o                  lab.Options
	faults, late       string
	writeConfig, ready string
}

func newLabUp(a *app) *cobra.Command {
	var f labFlags
	c := &cobra.Command{
		Use: "up", Short: "Serve simulated vendors on loopback until Ctrl-C",
		Long: `Lab up serves detection products and Intezer on loopback in their real wire
formats, the same data for the same seed, and writes a configuration that points
at them. Nothing leaves the machine, and no account is needed.

Products, by the name of the source in the configuration:
  s1      s1-lab      SentinelOne, as many consoles as --consoles says
  falcon  falcon-lab  CrowdStrike Falcon
  mde     mde-lab     Microsoft Defender: Entra, Graph and the endpoint API
  cbc     cbc-lab     Carbon Black Cloud
  cortex  cortex-lab  Cortex XDR
  wiz     wiz-lab     Wiz
  aws     aws-lab     AWS with GuardDuty
  cortex5 cortex5-lab Cortex XDR 5: cases and issues; not among all
All of them have alerts about the same files, and hosts that can be isolated where
the product can do that; Wiz tells some findings of the others again. Every command
works on it, so that a new rule, a cron job or a containment can be rehearsed;
--fault, --late and --note-lag show how it behaves on a bad day.`,
		Example: "  edrc lab up --write-config lab.yaml\n" +
			"  edrc lab up --products all --alerts 50 --write-config lab.yaml\n" +
			"  EDRC_CONFIG=lab.yaml edrc alerts list      # in another terminal\n" +
			"  edrc lab up --products falcon,mde --write-config lab.yaml --fault 429=0.05,500=0.05,reset@after=0.02",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLabUp(cmd.Context(), a, f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.o.Listen, "listen", "127.0.0.1:0", "loopback `address` of the first product; port 0 is any")
	fl.StringSliceVar(&f.o.Products, "products", []string{"s1"}, "`products` to serve: all, or of "+strings.Join(slices.Concat(lab.Products(), lab.Variants()), ", "))
	fl.IntVar(&f.o.Alerts, "alerts", 400, "alerts of each product, and on each console")
	fl.IntVar(&f.o.Files, "files", 60, "distinct files they are about")
	fl.IntVar(&f.o.Sources, "consoles", 1, "SentinelOne consoles, which share the files")
	fl.Uint64Var(&f.o.Seed, "seed", 1, "what decides the data")
	fl.DurationVar(&f.o.Latency, "latency", 0, "added to every reply")
	fl.StringVar(&f.faults, "fault", "", "what goes wrong and how often: 429 500 503 reset timeout truncate html, on writes with @before or @after; `KIND=SHARE,…`")
	fl.StringVar(&f.late, "late", "", "this share of alerts becomes visible up to so long after its creation: `0.05:10m`")
	fl.DurationVar(&f.o.NoteLag, "note-lag", 0, "a posted note stays invisible for so long")
	fl.BoolVar(&f.o.Echo, "echo", false, "our own writes move the alerts' updated time")
	fl.BoolVar(&f.o.Mutate, "mutate", false, "alerts change by themselves while they are read")
	fl.DurationVar(&f.o.AnalysisTime, "analysis-time", 0, "how long an analysis runs")
	fl.DurationVar(&f.o.FetchTime, "fetch-time", 0, "how long an agent takes to upload a file (default 200ms)")
	fl.DurationVar(&f.o.UploadLife, "upload-life", 0, "how long an uploaded file can be downloaded; 0 is for ever")
	fl.IntVar(&f.o.Huge, "huge", 0, "one file that the engine does not hold has this many `bytes`")
	fl.IntVar(&f.o.Quota, "quota", 500, "file scans the Intezer account has in a month")
	fl.DurationVar(&f.o.Skew, "skew", 0, "how far the vendors' clocks are ahead of ours")
	fl.StringVar(&f.writeConfig, "write-config", "", "write an edrc configuration that points at the lab to this `file`")
	fl.StringVar(&f.ready, "ready-file", "", "write the lab's addresses to this `file` once it serves")
	return c
}

// labReady is what --ready-file holds.
type labReady struct {
	Control string `json:"control"` // base URL of the control endpoints
	Config  string `json:"config,omitempty"`
	PID     int    `json:"pid"`
}

func runLabUp(ctx context.Context, a *app, f labFlags) error {
	var err error
	if f.o.Faults, err = lab.ParseFaults(f.faults); err != nil {
		return fault.Usagef("--fault: %v", err)
	}
	if f.late != "" {
		if f.o.LateFraction, f.o.LateMax, err = lab.ParseLate(f.late); err != nil {
			return fault.Usagef("--late: %v", err)
		}
	}
	if f.writeConfig != "" {
		abs, err := filepath.Abs(f.writeConfig)
		if err != nil {
			return fault.Usagef("--write-config: %v", err)
		}
		f.writeConfig = abs
		f.o.StorePath = strings.TrimSuffix(abs, filepath.Ext(abs)) + ".db"
	}
	l, err := lab.Start(ctx, f.o)
	if err != nil {
		return fault.Usagef("%v", err)
	}
	defer l.Close()
	if f.writeConfig != "" {
		if err := writeFile(f.writeConfig, l.Config()); err != nil {
			return err
		}
	}
	ready, _ := json.Marshal(labReady{Control: l.ControlURL(), Config: f.writeConfig, PID: os.Getpid()})
	if f.ready != "" {
		if err := writeFile(f.ready, append(ready, '\n')); err != nil {
			return err
		}
	}
	a.say("the lab is up: %s on each of %s, %s; Ctrl-C ends it", count(f.o.Alerts, "alert"), strings.Join(l.SourceNames(), ", "), count(f.o.Files, "file"))
	if f.writeConfig != "" {
		a.say("next: edrc --config %s alerts list", f.writeConfig)
	}
	a.say("state: edrc lab state --url %s", l.ControlURL())
	select {
	case <-ctx.Done():
	case <-a.Interrupt:
	}
	return nil
}

// writeFile writes a private file in one step: it is there whole, or not at all.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	return nil
}

func newLabState(a *app) *cobra.Command {
	var url, ready string
	c := &cobra.Command{
		Use: "state", Short: "What the lab was asked for: scans, notes by alert, isolated hosts",
		Example: "  edrc lab state --ready-file lab.ready -o json", Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := a.options(nil)
			if err != nil {
				return err
			}
			if url != "" && ready != "" {
				return fault.Usagef("--url and --ready-file exclude each other: each names a lab")
			}
			if url == "" {
				if url, err = controlOf(ready); err != nil {
					return err
				}
			}
			raw, err := labGet(cmd.Context(), url+"/_lab/state")
			if err != nil {
				return err
			}
			return printState(cmd.Context(), a, out, raw)
		},
	}
	c.Flags().StringVar(&url, "url", "", "the lab's control `URL`, as `lab up` prints it")
	c.Flags().StringVar(&ready, "ready-file", "", "the `file` that `lab up --ready-file` wrote")
	return c
}

// printState shows the lab's counts; json is the lab's own object, bare, so that
// tests can compare it with what they expect.
func printState(ctx context.Context, a *app, out report.Options, raw []byte) error {
	if out.Format == report.JSON && out.JQ == "" && out.Template == "" {
		_, err := fmt.Fprintf(a.IO.Out, "%s\n", strings.TrimSpace(string(raw)))
		return err
	}
	var st lab.State
	if err := json.Unmarshal(raw, &st); err != nil {
		return fault.New(fault.Unavailable, "the lab's answer cannot be read: %v", err)
	}
	if out.Structured() {
		return report.Object(ctx, a.IO, out, "edrc.lab.state/v1", st)
	}
	rows := []report.Row{{Label: "intezer", Lines: []string{fmt.Sprintf("%s, %s, %s", count(st.Intezer.Scans, "scan"), count(st.Intezer.Lookups, "look-up"), count(st.Intezer.Requests, "request"))}}}
	for _, name := range slices.Sorted(maps.Keys(st.Sources)) {
		s := st.Sources[name]
		notes := 0
		for _, n := range s.Notes {
			notes += len(n)
		}
		rows = append(rows, report.Row{Label: name, Lines: []string{fmt.Sprintf("%s, %s on %s, %s, %d contained",
			count(s.Alerts, "alert"), count(notes, "note"), count(len(s.Notes), "alert"), count(s.Requests, "request"), len(s.Isolated))}})
	}
	return report.Card(a.IO, "Lab", "", rows)
}

func controlOf(ready string) (string, error) {
	if ready == "" {
		return "", fault.Usagef("which lab? Give --url or --ready-file, as `edrc lab up` printed them")
	}
	b, err := os.ReadFile(ready)
	if err != nil {
		return "", fault.Usagef("--ready-file: %v", err)
	}
	var r labReady
	if err := json.Unmarshal(b, &r); err != nil || r.Control == "" {
		return "", fault.Usagef("--ready-file: %s was not written by `edrc lab up`", ready)
	}
	return r.Control, nil
}

func labGet(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fault.Usagef("--url: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the lab does not answer: %v", err).WithHint("start it with `edrc lab up`")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "the lab answers %s", resp.Status)
	}
	return io.ReadAll(resp.Body)
}
