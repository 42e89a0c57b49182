/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calls that guarded.c makes and tests/e2e/deferral.c looks at. A row:
 *
 *   name	what guarded.c is asked for
 *   call	as events name it
 *   effect	a function of tests/e2e/effect.c that counts how often it has been made
 *   times	the count when it has been made once
 *   expression	what makes it; S() is syscall(), MADE() hides which descriptor or pid it returned
 */
#ifndef GUARDED_CALLS_H
#define GUARDED_CALLS_H

/* Descriptors that guarded.c has before the call; those that the call makes are lower. */
enum {
	FD_MADE_MIN = 3, /* the lowest that is free */
	FD_MADE_MAX = 9,
	FD_FILE = 20,	   /* "file", at its end */
	FD_OTHER,	   /* "other", at its beginning */
	FD_RUBBISH,	   /* "rubbish", which nobody writes */
	FD_FOLDER,	   /* "folder" */
	FD_PIPE,	   /* the reading end of a pipe that has 4 bytes */
	FD_DATAGRAM,	   /* a socket that nobody knows */
	FD_CALLER,	   /* one that could connect */
	FD_WAITING,	   /* one with the name "waiting", which nobody can connect to */
	FD_LISTENER,	   /* one with the name "mine", and somebody in its queue */
	FD_PAIR,	   /* has written a message ... */
	FD_PAIR_OTHER_END, /* ... that nobody has received */
	FD_VICTIM,	   /* a pidfd */
	FD_TREE,	   /* a copy of "folder" that could be mounted */
	FD_QUEUE,	   /* OLD_QUEUE */
};

/* Pages at fixed addresses; the last two only once the call has been made. */
#define BUFFER	      ((char *)0x20000000)
#define AREA	      ((void *)0x30000000)
#define MAPPED	      ((void *)0x10000000)
#define SHARED	      ((void *)0x40000000)
#define PAGE	      4096L

#define NEW_ID	      7	 /* of users and groups, of limits and times, too */
#define VICTIM_SIGNAL 40 /* of those that are queued one by one */

/* Message queues of POSIX: "/" and one of these and the victim's pid. */
#define OLD_QUEUE "old"
#define NEW_QUEUE "new"

/* clang-format off */
#define GUARDED_CALLS(X)                                                                           \
	/* rw */                                                                                   \
	X(read, "read", bytes_consumed, 4, S(read, FD_OTHER, BUFFER, 4L))                          \
	X(pread, "pread64", buffer_filled, 1, S(pread64, FD_OTHER, BUFFER, 4L, 0L))                \
	X(readv, "readv", bytes_consumed, 4, S(readv, FD_OTHER, &in, 1L))                          \
	X(preadv, "preadv", buffer_filled, 1, S(preadv, FD_OTHER, &in, 1L, 0L, 0L))                \
	X(preadv2, "preadv2", bytes_consumed, 4, S(preadv2, FD_OTHER, &in, 1L, -1L, -1L, 0L))      \
	X(write, "write", bytes_added, 4, S(write, FD_FILE, "more", 4L))                           \
	X(pwrite, "pwrite64", bytes_added, 4, S(pwrite64, FD_FILE, "more", 4L, 4L))                \
	X(writev, "writev", bytes_added, 4, S(writev, FD_FILE, &out, 1L))                          \
	X(pwritev, "pwritev", bytes_added, 4, S(pwritev, FD_FILE, &out, 1L, 4L, 0L))               \
	X(pwritev2, "pwritev2", bytes_added, 4,                                                    \
	  S(pwritev2, FD_FILE, &out, 1L, -1L, -1L, (long)RWF_APPEND))                              \
	X(sendfile, "sendfile", bytes_added, 4, S(sendfile, FD_FILE, FD_OTHER, NULL, 4L))          \
	X(copy_file_range, "copy_file_range", bytes_added, 4,                                      \
	  S(copy_file_range, FD_OTHER, NULL, FD_FILE, NULL, 4L, 0L))                               \
	X(splice, "splice", bytes_added, 4, S(splice, FD_PIPE, NULL, FD_FILE, NULL, 4L, 0L))       \
	X(fallocate, "fallocate", bytes_added, 4, S(fallocate, FD_FILE, 0, 0L, 8L))                \
	X(io_submit, "io_submit", bytes_added, 4, S(io_submit, requests, 1L, &append))             \
	X(getdents, "getdents", buffer_filled, 1, MADE(S(getdents, FD_FOLDER, BUFFER, PAGE)))      \
	X(getdents64, "getdents64", buffer_filled, 1, MADE(S(getdents64, FD_FOLDER, BUFFER, PAGE)))\
	/* open */                                                                                 \
	X(open_new, "open", new_exists, 1, MADE(S(open, "new", EXCLUSIVE, 0600)))                  \
	X(open_cut, "open", file_cut, 1, MADE(S(open, "file", O_WRONLY | O_TRUNC)))                \
	X(openat_new, "openat", new_exists, 1, MADE(S(openat, AT_FDCWD, "new", EXCLUSIVE, 0600)))  \
	X(openat_cut, "openat", file_cut, 1, MADE(S(openat, AT_FDCWD, "file", O_RDWR | O_TRUNC)))  \
	X(openat2, "openat2", new_exists, 1, MADE(S(openat2, AT_FDCWD, "new", &how, sizeof(how)))) \
	X(creat, "creat", new_exists, 1, MADE(S(creat, "new", 0600)))                              \
	X(open_by_handle_at, "open_by_handle_at", file_cut, 1,                                     \
	  MADE(S(open_by_handle_at, FD_FOLDER, &handle, O_WRONLY | O_TRUNC)))                      \
	/* name */                                                                                 \
	X(unlink, "unlink", file_gone, 1, S(unlink, "file"))                                       \
	X(unlinkat, "unlinkat", file_gone, 1, S(unlinkat, AT_FDCWD, "file", 0))                    \
	X(unlinkat_dir, "unlinkat", empty_gone, 1, S(unlinkat, AT_FDCWD, "empty", AT_REMOVEDIR))   \
	X(rmdir, "rmdir", empty_gone, 1, S(rmdir, "empty"))                                        \
	X(mkdir, "mkdir", new_exists, 1, S(mkdir, "new", 0700))                                    \
	X(mkdirat, "mkdirat", new_exists, 1, S(mkdirat, AT_FDCWD, "new", 0700))                    \
	X(mknod, "mknod", new_exists, 1, S(mknod, "new", S_IFIFO | 0600, 0))                       \
	X(mknod_file, "mknod", new_exists, 1, S(mknod, "new", S_IFREG | 0600, 0))                  \
	X(mknodat, "mknodat", new_exists, 1, S(mknodat, AT_FDCWD, "new", S_IFIFO | 0600, 0))       \
	X(mknodat_file, "mknodat", new_exists, 1, S(mknodat, AT_FDCWD, "new", S_IFREG | 0600, 0))  \
	X(symlink, "symlink", new_exists, 1, S(symlink, "file", "new"))                            \
	X(symlinkat, "symlinkat", new_exists, 1, S(symlinkat, "file", AT_FDCWD, "new"))            \
	X(link, "link", new_exists, 1, S(link, "file", "new"))                                     \
	X(linkat, "linkat", new_exists, 1, S(linkat, AT_FDCWD, "file", AT_FDCWD, "new", 0))        \
	X(mq_open, "mq_open", new_queue_exists, 1,                                                 \
	  MADE(S(mq_open, new_queue, O_CREAT | O_EXCL | O_RDWR, 0600, &small)))                    \
	X(mq_unlink, "mq_unlink", old_queue_gone, 1, S(mq_unlink, old_queue))                      \
	X(rename, "rename", new_exists, 1, S(rename, "file", "new"))                               \
	X(renameat, "renameat", new_exists, 1, S(renameat, AT_FDCWD, "file", AT_FDCWD, "new"))     \
	X(renameat2, "renameat2", new_exists, 1,                                                   \
	  S(renameat2, AT_FDCWD, "file", AT_FDCWD, "new", RENAME_NOREPLACE))                       \
	/* attr */                                                                                 \
	X(truncate, "truncate", file_cut, 1, S(truncate, "file", 0L))                              \
	X(ftruncate, "ftruncate", file_cut, 1, S(ftruncate, FD_FILE, 0L))                          \
	X(chmod, "chmod", mode_changed, 1, S(chmod, "file", 0644))                                 \
	X(fchmod, "fchmod", mode_changed, 1, S(fchmod, FD_FILE, 0644))                             \
	X(fchmodat, "fchmodat", mode_changed, 1, S(fchmodat, AT_FDCWD, "file", 0644))              \
	X(fchmodat2, FCHMODAT2, mode_changed, 1, syscall(452, AT_FDCWD, "file", 0644, 0))          \
	X(chown, "chown", owner_changed, 1, S(chown, "file", NEW_ID, NEW_ID))                      \
	X(fchown, "fchown", owner_changed, 1, S(fchown, FD_FILE, NEW_ID, NEW_ID))                  \
	X(lchown, "lchown", owner_changed, 1, S(lchown, "file", NEW_ID, NEW_ID))                   \
	X(fchownat, "fchownat", owner_changed, 1,                                                  \
	  S(fchownat, AT_FDCWD, "file", NEW_ID, NEW_ID, 0))                                        \
	X(utime, "utime", time_changed, 1, S(utime, "file", seconds))                              \
	X(utimes, "utimes", time_changed, 1, S(utimes, "file", times))                             \
	X(futimesat, "futimesat", time_changed, 1, S(futimesat, AT_FDCWD, "file", times))          \
	X(utimensat, "utimensat", time_changed, 1, S(utimensat, AT_FDCWD, "file", times, 0))       \
	X(setxattr, "setxattr", mark_set, 1, S(setxattr, "file", MARK, "x", 1L, 0))                \
	X(lsetxattr, "lsetxattr", mark_set, 1, S(lsetxattr, "file", MARK, "x", 1L, 0))             \
	X(fsetxattr, "fsetxattr", mark_set, 1, S(fsetxattr, FD_FILE, MARK, "x", 1L, 0))            \
	X(removexattr, "removexattr", kept_gone, 1, S(removexattr, "file", KEPT))                  \
	X(lremovexattr, "lremovexattr", kept_gone, 1, S(lremovexattr, "file", KEPT))               \
	X(fremovexattr, "fremovexattr", kept_gone, 1, S(fremovexattr, FD_FILE, KEPT))              \
	X(setxattrat, SETXATTRAT, mark_set, 1,                                                     \
	  syscall(463, AT_FDCWD, "file", 0, MARK, &value, sizeof(value)))                          \
	X(removexattrat, REMOVEXATTRAT, kept_gone, 1, syscall(466, AT_FDCWD, "file", 0, KEPT))     \
	/* socket */                                                                               \
	X(socket, "socket", descriptors_made, 1, MADE(S(socket, AF_UNIX, SOCK_STREAM, 0)))         \
	X(socketpair, "socketpair", descriptors_made, 2,                                           \
	  S(socketpair, AF_UNIX, SOCK_STREAM, 0, ends))                                            \
	X(bind, "bind", own_exists, 1, S(bind, FD_DATAGRAM, &own, sizeof(own)))                    \
	X(connect, "connect", callers_came, 1, S(connect, FD_CALLER, &door, sizeof(door)))         \
	X(listen, "listen", waiting_listens, 1, S(listen, FD_WAITING, 1))                          \
	X(accept, "accept", descriptors_made, 1, MADE(S(accept, FD_LISTENER, NULL, NULL)))         \
	X(accept4, "accept4", descriptors_made, 1, MADE(S(accept4, FD_LISTENER, NULL, NULL, 0)))   \
	X(sendto, "sendto", datagrams_came, 1,                                                     \
	  S(sendto, FD_DATAGRAM, "hello", 5L, 0, &peer, sizeof(peer)))                             \
	X(sendmsg, "sendmsg", datagrams_came, 1, S(sendmsg, FD_DATAGRAM, &to_peer[0].msg_hdr, 0))  \
	X(sendmmsg, "sendmmsg", datagrams_came, 2, S(sendmmsg, FD_DATAGRAM, to_peer, 2, 0))        \
	X(recvfrom, "recvfrom", buffer_filled, 1,                                                  \
	  S(recvfrom, FD_PAIR_OTHER_END, BUFFER, 4L, 0, NULL, NULL))                               \
	X(recvmsg, "recvmsg", buffer_filled, 1,                                                    \
	  S(recvmsg, FD_PAIR_OTHER_END, &from_pair.msg_hdr, 0))                                    \
	X(recvmmsg, "recvmmsg", buffer_filled, 1,                                                  \
	  S(recvmmsg, FD_PAIR_OTHER_END, &from_pair, 1, 0, NULL))                                  \
	X(setsockopt, "setsockopt", priority_set, NEW_ID - 1,                                      \
	  S(setsockopt, FD_DATAGRAM, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)))        \
	X(shutdown, "shutdown", pair_shut, 1, S(shutdown, FD_PAIR, SHUT_WR))                       \
	/* map */                                                                                  \
	X(mmap, "mmap", mapped_exists, 1,                                                          \
	  S(mmap, MAPPED, PAGE, PROT_READ | PROT_EXEC, PRIVATE, -1, 0L) == (long)MAPPED ? 0 : -1)  \
	X(mprotect, "mprotect", area_executable, 1, S(mprotect, AREA, PAGE, PROT_READ | PROT_EXEC))\
	X(pkey_mprotect, "pkey_mprotect", area_executable, 1,                                      \
	  S(pkey_mprotect, AREA, PAGE, PROT_READ | PROT_EXEC, -1))                                 \
	/* fd */                                                                                   \
	X(ioctl, "ioctl", nonblocking, 1, S(ioctl, FD_DATAGRAM, FIONBIO, &one))                    \
	X(fcntl, "fcntl", nonblocking, 1, S(fcntl, FD_DATAGRAM, F_SETFL, O_NONBLOCK))              \
	X(fcntl_lock, "fcntl", record_locked, 1, S(fcntl, FD_FILE, F_SETLK, &whole))               \
	X(flock, "flock", file_locked, 1, S(flock, FD_FILE, LOCK_EX))                              \
	/* cred */                                                                                 \
	X(setuid, "setuid", user_changed, 1, S(setuid, NEW_ID))                                    \
	X(setreuid, "setreuid", user_changed, 1, S(setreuid, NEW_ID, NEW_ID))                      \
	X(setresuid, "setresuid", user_changed, 1, S(setresuid, NEW_ID, NEW_ID, NEW_ID))           \
	X(setgid, "setgid", group_changed, 1, S(setgid, NEW_ID))                                   \
	X(setregid, "setregid", group_changed, 1, S(setregid, NEW_ID, NEW_ID))                     \
	X(setresgid, "setresgid", group_changed, 1, S(setresgid, NEW_ID, NEW_ID, NEW_ID))          \
	X(setgroups, "setgroups", groups_changed, 1, S(setgroups, 1L, &group))                     \
	X(capset, "capset", powers_gone, 1, S(capset, &header, powers))                            \
	/* task */                                                                                 \
	X(ptrace, "ptrace", victim_traced, 1, S(ptrace, (long)PTRACE_SEIZE, victim, 0L, 0L))       \
	X(kill, "kill", signals_came, 1, S(kill, victim, VICTIM_SIGNAL))                           \
	X(tkill, "tkill", signals_came, 1, S(tkill, victim, VICTIM_SIGNAL))                        \
	X(tgkill, "tgkill", signals_came, 1, S(tgkill, victim, victim, VICTIM_SIGNAL))             \
	X(rt_sigqueueinfo, "rt_sigqueueinfo", signals_came, 1,                                     \
	  S(rt_sigqueueinfo, victim, VICTIM_SIGNAL, &queued))                                      \
	X(rt_tgsigqueueinfo, "rt_tgsigqueueinfo", signals_came, 1,                                 \
	  S(rt_tgsigqueueinfo, victim, victim, VICTIM_SIGNAL, &queued))                            \
	X(pidfd_send_signal, "pidfd_send_signal", signals_came, 1,                                 \
	  S(pidfd_send_signal, FD_VICTIM, VICTIM_SIGNAL, NULL, 0))                                 \
	X(prlimit64, "prlimit64", victim_limited, 1,                                               \
	  S(prlimit64, victim, RLIMIT_CORE, &limit, NULL))                                         \
	X(setrlimit, "setrlimit", limited, 1, S(setrlimit, RLIMIT_CORE, &limit))                   \
	/* mount */                                                                                \
	X(mount, "mount", folder_mounted, 1, S(mount, "none", "folder", "tmpfs", 0L, NULL))        \
	X(umount2, "umount2", mounted_gone, 1, S(umount2, "mounted", 0))                           \
	X(move_mount, "move_mount", tree_mounted, 1,                                               \
	  S(move_mount, FD_TREE, "", AT_FDCWD, "empty", MOVE_MOUNT_F_EMPTY_PATH))                  \
	X(pivot_root, "pivot_root", root_changed, 1, S(pivot_root, "mounted", "mounted/old"))      \
	X(chroot, "chroot", root_changed, 1, S(chroot, "folder"))                                  \
	/* kernel; what is no module and no kernel fails as it always would */                     \
	X(init_module, "init_module", nothing, 0, S(init_module, BUFFER, PAGE, ""))                \
	X(finit_module, "finit_module", nothing, 0, S(finit_module, FD_RUBBISH, "", 0))            \
	X(kexec_load, "kexec_load", nothing, 0, S(kexec_load, 0L, 0L, NULL, 0L))                   \
	X(kexec_file_load, "kexec_file_load", nothing, 0,                                          \
	  S(kexec_file_load, FD_RUBBISH, -1, 1L, "", (long)KEXEC_FILE_NO_INITRAMFS))               \
	X(bpf, "bpf", descriptors_made, 1, MADE(S(bpf, BPF_MAP_CREATE, &map, sizeof(map))))        \
	X(perf_event_open, "perf_event_open", descriptors_made, 1,                                 \
	  MADE(S(perf_event_open, &clock_event, 0, -1, -1, 0L)))                                   \
	X(settimeofday, "settimeofday", zone_set, 1, S(settimeofday, NULL, &zone))                 \
	X(clock_settime, "clock_settime", clock_jumped, 1, S(clock_settime, CLOCK_REALTIME, &then))\
	X(syslog, "syslog", buffer_filled, 1,                                                      \
	  MADE(S(syslog, 3 /* SYSLOG_ACTION_READ_ALL */, BUFFER, (int)PAGE)))                      \
	/* fork */                                                                                 \
	X(fork, "fork", children_made, 1, parent(S(fork)))                                         \
	X(vfork, "vfork", children_made, 1, vfork_once())                                          \
	X(clone, "clone", children_made, 1, parent(S(clone, (long)SIGCHLD, 0L, 0L, 0L, 0L)))       \
	X(clone3, "clone3", children_made, 1, parent(S(clone3, &fork_like, sizeof(fork_like))))    \
	/* ipc */                                                                                  \
	X(shmat, "shmat", shared_attached, 1, S(shmat, memory, SHARED, 0) < 0 ? -1 : 0)            \
	X(msgsnd, "msgsnd", messages_came, 1, S(msgsnd, queue, &message, 4L, 0))                   \
	X(msgctl, "msgctl", queue_gone, 1, S(msgctl, queue, IPC_RMID, NULL))                       \
	X(shmctl, "shmctl", memory_gone, 1, S(shmctl, memory, IPC_RMID, NULL))                     \
	X(semop, "semop", semaphore_raised, 1, S(semop, semaphore, &raise_one, 1L))                \
	X(semtimedop, "semtimedop", semaphore_raised, 1,                                           \
	  S(semtimedop, semaphore, &raise_one, 1L, NULL))                                          \
	/* the same through the other door, and what only it has; by the numbers of unistd_32.h */ \
	X(ia32_write, "ia32:write", bytes_added, 4, IA32(4, FD_FILE, "more", 4, 0))                \
	X(ia32_truncate64, "ia32:truncate64", file_cut, 1, IA32(193, "file", 0, 0, 0))             \
	X(ia32_ftruncate64, "ia32:ftruncate64", file_cut, 1, IA32(194, FD_FILE, 0, 0, 0))          \
	X(ia32_sendfile64, "ia32:sendfile64", bytes_added, 4, IA32(239, FD_FILE, FD_OTHER, 0, 4))  \
	X(ia32_fcntl64, "ia32:fcntl64", nonblocking, 1, IA32(221, FD_DATAGRAM, F_SETFL, 04000, 0)) \
	X(ia32_socketcall, "ia32:socketcall", descriptors_made, 1,                                 \
	  MADE(IA32(102, 1 /* SYS_SOCKET */, socket_words, 0, 0)))                                 \
	X(ia32_readdir, "ia32:readdir", buffer_filled, 1, IA32(89, FD_FOLDER, BUFFER, 1, 0))       \
	X(ia32_chown32, "ia32:chown32", owner_changed, 1, IA32(212, "file", NEW_ID, NEW_ID, 0))    \
	X(ia32_lchown32, "ia32:lchown32", owner_changed, 1, IA32(198, "file", NEW_ID, NEW_ID, 0))  \
	X(ia32_fchown32, "ia32:fchown32", owner_changed, 1, IA32(207, FD_FILE, NEW_ID, NEW_ID, 0)) \
	X(ia32_utimensat, "ia32:utimensat_time64", time_changed, 1,                                \
	  IA32(412, AT_FDCWD, "file", times, 0))                                                   \
	X(ia32_recvmmsg, "ia32:recvmmsg_time64", buffer_filled, 1,                                 \
	  int80(417, FD_PAIR_OTHER_END, (long)from_pair_32, 1, 0, 0))                              \
	X(ia32_setuid32, "ia32:setuid32", user_changed, 1, IA32(213, NEW_ID, 0, 0, 0))             \
	X(ia32_setreuid32, "ia32:setreuid32", user_changed, 1, IA32(203, NEW_ID, NEW_ID, 0, 0))    \
	X(ia32_setresuid32, "ia32:setresuid32", user_changed, 1,                                   \
	  IA32(208, NEW_ID, NEW_ID, NEW_ID, 0))                                                    \
	X(ia32_setgid32, "ia32:setgid32", group_changed, 1, IA32(214, NEW_ID, 0, 0, 0))            \
	X(ia32_setregid32, "ia32:setregid32", group_changed, 1, IA32(204, NEW_ID, NEW_ID, 0, 0))   \
	X(ia32_setresgid32, "ia32:setresgid32", group_changed, 1,                                  \
	  IA32(210, NEW_ID, NEW_ID, NEW_ID, 0))                                                    \
	X(ia32_setgroups32, "ia32:setgroups32", groups_changed, 1, IA32(206, 1, &group, 0, 0))     \
	X(ia32_umount, "ia32:umount", mounted_gone, 1, IA32(22, "mounted", 0, 0, 0))               \
	X(ia32_ipc, "ia32:ipc", semaphore_raised, 1,                                               \
	  int80(117, 1 /* SEMOP */, semaphore, 1, 0, (long)&raise_one))                            \
	X(ia32_semtimedop, "ia32:semtimedop_time64", semaphore_raised, 1,                          \
	  IA32(420, semaphore, &raise_one, 1, NULL))                                               \
	X(ia32_mmap2, "ia32:mmap2", mapped_exists, 1,                                              \
	  IA32(192, MAPPED, PAGE, PROT_READ | PROT_EXEC, PRIVATE) == (long)MAPPED ? 0 : -1)
/* clang-format on */

#endif
