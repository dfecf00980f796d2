"""Search a table of trained networks: python table_search.py TABLE.csv STUDY

The table has one row a network: arch (digits, one an operation), accuracy, parameters, macs.
"""

import csv
import sys
from functools import partial
from pathlib import Path

import vidnas
from vidnas.core import Cost, Evaluation
from vidnas.families import Architecture, Space


class Row(Architecture):
    family = "table"
    arch: str


class Rows(Space):
    def __init__(self, table):
        self.table = table
        self.digits = sorted(set("".join(table)))

    def random(self, rng):
        return Row(arch=str(rng.choice(list(self.table))))

    def mutate(self, parent, rng, evaluation=None, strength=1):
        arch, phrases = list(parent.arch), []
        for place in rng.permutation(len(arch))[:strength]:
            new = rng.choice([digit for digit in self.digits if digit != arch[place]])
            phrases.append(f"operation {place}: {arch[place]} -> {new}")
            arch[place] = new
        return Row(arch="".join(arch)), tuple(phrases)

    def contains(self, architecture):
        return architecture.arch in self.table

    def describe(self):
        return {"networks": len(self.table)}


def look_up(table, architecture, seed, deadline_s):
    row = table[architecture.arch]
    cost = Cost(parameters=row["parameters"], macs=row["macs"])
    return Evaluation(status="ok", fitness=row["accuracy"], cost=cost)


def main(path, folder):
    table = {row["arch"]: row for row in csv.DictReader(Path(path).read_text().splitlines())}
    limits, evaluate = ["parameters=2M"], partial(look_up, table)
    study = vidnas.search(Rows(table), evaluate, limits=limits, evaluations=100, folder=folder)
    best = study.fittest(1)[0]
    print(f"{best.architecture.arch}: {best.fitness}, {best.evaluation.cost.parameters} parameters")


if __name__ == "__main__":
    main(*sys.argv[1:])
