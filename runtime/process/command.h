/* command: the arguments that this process was started with, for starting its program again. */
#ifndef RUNTIME_PROCESS_COMMAND_H
#define RUNTIME_PROCESS_COMMAND_H

/* The process's own, however many; `argv`, which may be what main left of them, where the system does not tell. The
 * caller's to free, in one piece. NULL: out of memory. */
char **command_read(char **argv);

#endif
