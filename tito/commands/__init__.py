"""The commands: options in, one library call, rendering out. Libraries are imported inside the commands, so that
`tito --help` stays quick."""
