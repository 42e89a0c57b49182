# SPDX-License-Identifier: GPL-2.0-or-later
# usage: gnuplot -e "folder='DIR'" tests/bench/plots.gp
# The plots of make bench: DIR/NAME.svg of each DIR/NAME.dat that the benchmark has left there.

set terminal svg size 900,500 dynamic noenhanced font "sans-serif,13"
set border 3
set tics nomirror
set grid ytics lc rgb "#dddddd"
colour = "#999999 #1b7837 #c2452d"
there(plot) = int(system(sprintf("test -s %s/%s.dat && echo 1 || echo 0", folder, plot)))
file(plot, end) = sprintf("%s/%s.%s", folder, plot, end)

if (there("lmbench")) {
	set output file("lmbench", "svg")
	set title "lmbench's cases: how much longer than with nothing attached"
	set ylabel "%"
	set style data histograms
	set style histogram clustered gap 1
	set style fill solid
	set xtics rotate by -35
	set key top right
	plot file("lmbench", "dat") using 2:xtic(1) title "an empty program" lc rgb word(colour, 1), \
		"" using 3 title "ebph" lc rgb word(colour, 2), \
		"" using 4 title "ebpH's design, reconstructed" lc rgb word(colour, 3)
	set xtics norotate
}

if (there("late")) {
	set output file("late", "svg")
	set title "Late releases, by how many processes are delayed at once"
	set xlabel "µs late, at most"
	set ylabel "% of processes"
	set logscale x
	set xtics auto
	set key bottom right
	plot for [i = 1:3] file("late", "dat") index i using 1:2 with steps lw 2 title columnheader(1)
	unset logscale
}

if (there("memory")) {
	set output file("memory", "svg")
	set title "Kernel memory of all profiles, as the kernel says"
	set xlabel "profiles"
	set ylabel "MB"
	set logscale xy
	set xtics auto
	set key top left
	plot file("memory", "dat") using 1:($2 / 1e6) with linespoints lw 2 lc rgb word(colour, 2) \
			title "ebph, all maps", \
		"" using 1:($3 / 1e6) with linespoints lw 2 lc rgb word(colour, 3) \
			title "ebpH's layout, its profiles"
}
