"""A network of hosts on one machine: network namespaces, their links, and the ways in which links fail."""
