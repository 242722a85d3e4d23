package guardduty

import (
	"testing"

	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source/sourcetest"
)

func TestFindingsKeepThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}, aws.Options{}) },
		Page: feedPage, World: 600, Hostile: hostile(),
	})
}
