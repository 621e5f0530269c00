"""Speed beside other systems, taken in one interleaved run: `make bench`. Linux only, as it reads /proc."""
