"""Contract suites and fakes, shipped so that third parties can prove their own backends."""
