#pragma once
/*
 * command: what the words behind `sanyao` do, one file each.
 *
 * A command gets its own name as argv[0], prints what was asked for on standard output and what
 * went wrong on standard error, and returns the exit code. Called on the main thread, once.
 */

enum command_exit {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_MISUSED = 2,  /* unknown option, missing argument */
    COMMAND_NEGATIVE = 3, /* it worked, and the answer is no */
};

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* one line of help */
};

int command_serve(int argc, char **argv);
int command_check_config(int argc, char **argv);
int command_ledger(int argc, char **argv);
int command_ledger_rebuild(int argc, char **argv); /* by command_ledger */
int command_reconcile(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_batch(int argc, char **argv);
int command_health(int argc, char **argv);
int command_client(int argc, char **argv);
int command_package(int argc, char **argv);
int command_balance(int argc, char **argv);
int command_statement(int argc, char **argv);
int command_alerts(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_forget(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_keygen(int argc, char **argv);
