/* command: the arguments that this process was started with, for starting its program again. Owns nothing. */
#ifndef RUNTIME_SUPERVISE_COMMAND_H
#define RUNTIME_SUPERVISE_COMMAND_H

/* The arguments as the system has them; where it does not tell, those of `argv`, of which main may have taken some out.
 * NULL-terminated, the caller's to free, in one piece. NULL: out of memory. */
char **command_read(char **argv);

#endif
