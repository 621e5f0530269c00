"""Which addresses a principal may reach: resolve, judge every address, connect to the judged one."""
