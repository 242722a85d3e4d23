// Package awsconn is how edrc reaches AWS: which credentials, in which account and
// region, over which endpoint. The source guardduty and the response actions on AWS
// share it.
//
// [New] checks the options offline. [Conn.For] gives the SDK configuration for one
// account and region; clients are made from it as usual. Before it gives one it has
// retrieved the credentials, assumed the role that the account asks for, and asked STS
// whose they are: a configuration for account A never acts in account B.
//
// The standard AWS environment holds: profiles, SSO, web identity, instance and
// container roles, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE>, AWS_CA_BUNDLE,
// AWS_RETRY_MODE and AWS_MAX_ATTEMPTS. Retries are the SDK's own, because its throttle
// codes stand in bodies; limits of time and concurrency, the trace, and the refusal of
// plain http and of proxy pages are ours (transport.go).
//
// [Conn.Explain] turns an SDK error into a *fault.Error that names the IAM action that
// was missing, the account and the region.
package awsconn
