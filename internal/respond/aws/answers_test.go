package aws

import (
	"io"
	"net/http"
	"strings"
)

// patch changes what AWS answers, for what moto has not.
func (r *rig) patch(from, to string) {
	r.wire.under.DisableCompression = true
	r.wire.edit = func(body string) string { return strings.ReplaceAll(body, from, to) }
}

// edited gives the response with its body changed.
func edited(resp *http.Response, edit func(string) string) (*http.Response, error) {
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	text := edit(string(b))
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// scaling1 is an Auto Scaling group of one that may not be less.
func scaling1(c call) (int, string) {
	switch c.action {
	case "DescribeAutoScalingInstances":
		return 200, `<DescribeAutoScalingInstancesResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeAutoScalingInstancesResult><AutoScalingInstances><member><InstanceId>` +
			c.form.Get("InstanceIds.member.1") + `</InstanceId><AutoScalingGroupName>asg-1</AutoScalingGroupName><LifecycleState>InService</LifecycleState></member></AutoScalingInstances></DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>`
	case "DescribeAutoScalingGroups":
		return 200, `<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeAutoScalingGroupsResult><AutoScalingGroups><member><AutoScalingGroupName>asg-1</AutoScalingGroupName><MinSize>1</MinSize><MaxSize>2</MaxSize><DesiredCapacity>1</DesiredCapacity></member></AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>`
	}
	return 0, ""
}
