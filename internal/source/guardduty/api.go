package guardduty

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"edrc/internal/fault"
)

// The calls of one detector. Their errors name the account, the region and the missing
// action. A reply that lacks what was asked for is an error, never an empty list: an
// alert that is not seen is worse than a failed read.

// calls are the operations of a client. They stand here as functions, and no client is
// held: a type that reflection can reach from an interface keeps all of its methods, and
// a client has hundreds, half of a binary.
type calls struct {
	listDetectors    func(context.Context, *sdk.ListDetectorsInput, ...func(*sdk.Options)) (*sdk.ListDetectorsOutput, error)
	getDetector      func(context.Context, *sdk.GetDetectorInput, ...func(*sdk.Options)) (*sdk.GetDetectorOutput, error)
	getAdministrator func(context.Context, *sdk.GetAdministratorAccountInput, ...func(*sdk.Options)) (*sdk.GetAdministratorAccountOutput, error)
	listFindings     func(context.Context, *sdk.ListFindingsInput, ...func(*sdk.Options)) (*sdk.ListFindingsOutput, error)
	getFindings      func(context.Context, *sdk.GetFindingsInput, ...func(*sdk.Options)) (*sdk.GetFindingsOutput, error)
	getMalwareScan   func(context.Context, *sdk.GetMalwareScanInput, ...func(*sdk.Options)) (*sdk.GetMalwareScanOutput, error)
	archive          func(context.Context, *sdk.ArchiveFindingsInput, ...func(*sdk.Options)) (*sdk.ArchiveFindingsOutput, error)
	unarchive        func(context.Context, *sdk.UnarchiveFindingsInput, ...func(*sdk.Options)) (*sdk.UnarchiveFindingsOutput, error)
	feedback         func(context.Context, *sdk.UpdateFindingsFeedbackInput, ...func(*sdk.Options)) (*sdk.UpdateFindingsFeedbackOutput, error)
}

func newCalls(cfg aws.Config) calls {
	c := sdk.NewFromConfig(cfg)
	return calls{c.ListDetectors, c.GetDetector, c.GetAdministratorAccount, c.ListFindings, c.GetFindings, c.GetMalwareScan,
		c.ArchiveFindings, c.UnarchiveFindings, c.UpdateFindingsFeedback}
}

func (s *site) explain(err error) error { return s.conn.Explain(err, s.account, s.region) }

func (s *site) broken(what string) error {
	return &fault.Error{Kind: fault.Unavailable, Msg: s.String() + ": the reply has no " + what,
		Hint: "a proxy may have answered, or the endpoint does not have this API"}
}

// detectors gives the ids of the detectors of this account and region: one or none.
func (s *site) detectors(ctx context.Context) ([]string, time.Time, error) {
	out, err := s.api.listDetectors(ctx, &sdk.ListDetectorsInput{})
	if err != nil {
		return nil, time.Time{}, s.explain(err)
	}
	if out.DetectorIds == nil {
		return nil, time.Time{}, s.broken("detectorIds")
	}
	return out.DetectorIds, dateOf(out.ResultMetadata), nil
}

// status is that of the detector: ENABLED or DISABLED.
func (s *site) status(ctx context.Context) (string, error) {
	out, err := s.api.getDetector(ctx, &sdk.GetDetectorInput{DetectorId: &s.detector})
	if err != nil {
		return "", s.explain(err)
	}
	return string(out.Status), nil
}

// administrator is the account that administers this one, "" for none.
func (s *site) administrator(ctx context.Context) (string, error) {
	out, err := s.api.getAdministrator(ctx, &sdk.GetAdministratorAccountInput{DetectorId: &s.detector})
	if err != nil {
		return "", s.explain(err)
	}
	if out.Administrator == nil {
		return "", nil
	}
	return aws.ToString(out.Administrator.AccountId), nil
}

// idPage is one page of ids.
type idPage struct {
	ids  []string
	next string
	date time.Time
}

func (s *site) list(ctx context.Context, q listing, token string, size int32) (idPage, error) {
	in := &sdk.ListFindingsInput{DetectorId: &s.detector, MaxResults: &size,
		FindingCriteria: &types.FindingCriteria{Criterion: q.criterion},
		SortCriteria:    &types.SortCriteria{AttributeName: aws.String(q.sort), OrderBy: q.order}}
	if token != "" {
		in.NextToken = &token
	}
	out, err := s.api.listFindings(ctx, in)
	if err != nil {
		return idPage{}, s.explain(err)
	}
	p := idPage{out.FindingIds, aws.ToString(out.NextToken), dateOf(out.ResultMetadata)}
	switch {
	case p.ids == nil:
		return p, s.broken("findingIds")
	case p.next != "" && p.next == token:
		return p, s.broken("new page token") // it would go round for ever
	}
	return p, nil
}

// get reads at most 50 findings, each as AWS sent it. Unknown ids are absent; what AWS
// says to a request that has one is not documented, so a refused one is asked in halves.
func (s *site) get(ctx context.Context, ids []string) ([]json.RawMessage, time.Time, error) {
	body, date, err := s.getRaw(ctx, ids)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) {
		if len(ids) == 1 {
			return nil, date, nil
		}
		one, _, err := s.get(ctx, ids[:len(ids)/2])
		if err != nil {
			return nil, date, err
		}
		two, date, err := s.get(ctx, ids[len(ids)/2:])
		return append(one, two...), date, err
	}
	if err != nil {
		return nil, date, err
	}
	var reply struct {
		Findings *[]json.RawMessage `json:"findings"`
	}
	if err := json.Unmarshal(body, &reply); err != nil || reply.Findings == nil {
		return nil, date, s.broken("findings")
	}
	return *reply.Findings, date, nil
}

func (s *site) getRaw(ctx context.Context, ids []string) ([]byte, time.Time, error) {
	var body []byte
	out, err := s.api.getFindings(ctx, &sdk.GetFindingsInput{DetectorId: &s.detector, FindingIds: ids}, keepBody(&body))
	if err != nil {
		return nil, time.Time{}, s.explain(err)
	}
	return body, dateOf(out.ResultMetadata), nil
}

// scanThreats reads the whole result of a malware scan.
func (s *site) scanThreats(ctx context.Context, scanID string) ([]scanThreat, error) {
	var body []byte
	if _, err := s.api.getMalwareScan(ctx, &sdk.GetMalwareScanInput{ScanId: &scanID}, keepBody(&body)); err != nil {
		return nil, s.explain(err)
	}
	var reply struct {
		Details struct {
			Threats list[scanThreat] `json:"threats"`
		} `json:"scanResultDetails"`
	}
	_ = json.Unmarshal(body, &reply) // one that says nothing adds nothing
	return reply.Details.Threats, nil
}

func (s *site) archive(ctx context.Context, id string, to bool) error {
	var err error
	if to {
		_, err = s.api.archive(ctx, &sdk.ArchiveFindingsInput{DetectorId: &s.detector, FindingIds: []string{id}})
	} else {
		_, err = s.api.unarchive(ctx, &sdk.UnarchiveFindingsInput{DetectorId: &s.detector, FindingIds: []string{id}})
	}
	return s.onlyAdministrator(ctx, s.explain(err))
}

// feedback replaces feedback and comment of at most 50 findings.
func (s *site) feedback(ctx context.Context, ids []string, feedback, comment string) error {
	in := &sdk.UpdateFindingsFeedbackInput{DetectorId: &s.detector, FindingIds: ids, Feedback: types.Feedback(feedback)}
	if comment != "" {
		in.Comments = &comment
	}
	_, err := s.api.feedback(ctx, in)
	return s.onlyAdministrator(ctx, s.explain(err))
}

// onlyAdministrator explains a refusal that a member account gets: AWS calls the request
// bad and leaves it at that.
func (s *site) onlyAdministrator(ctx context.Context, err error) error {
	if !fault.Is(err, fault.Invalid) {
		return err
	}
	admin, lookErr := s.administrator(ctx)
	if lookErr != nil || admin == "" {
		return err
	}
	return &fault.Error{Kind: fault.Denied, Msg: s.String() + ": only the administrator of GuardDuty, account " + admin + ", can do this for its members",
		Hint: "configure account " + admin + " in `accounts`; its lists have the findings of its members", Err: err}
}

// dateOf is AWS's clock at a reply, zero when it did not tell.
func dateOf(m middleware.Metadata) time.Time {
	at, _ := awsmiddleware.GetServerTime(m)
	return at
}

// keepBody takes the body of a good reply out before the SDK decodes it: the SDK's types
// drop what they do not know, and refuse a page for one field of another type.
func keepBody(into *[]byte) func(*sdk.Options) {
	keep := middleware.DeserializeMiddlewareFunc("KeepBody", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, meta, err := next.HandleDeserialize(ctx, in)
		resp, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || resp.StatusCode/100 != 2 {
			return out, meta, err
		}
		*into, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader([]byte("{}")))
		return out, meta, err
	})
	return func(o *sdk.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(keep, middleware.After)
		})
	}
}
