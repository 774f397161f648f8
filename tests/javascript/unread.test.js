// Finds the fields of answers that no module reads: such a field is a fact that the page leaves out.
//
// The step before a range was one for months; every price of a range without a snapshot on its first day was wrong.

import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Fields for other readers of the routes, and why the page does not need them. */
const FOR_OTHERS = {
  "StatusAnswer.wire_shape": "each view shows what is published, whatever the shape",
  "StatusAnswer.columns": "the panel takes descriptions from the facts of its model",
  "ColumnText.name": "likewise",
  "ColumnText.description": "likewise",
  "ColumnText.unit": "likewise",
  "StatusAnswer.age_hours": "ages are counted in the browser, live",
  "StatusAnswer.now": "likewise",
  "QualityAnswer.fail_on": "always null",
  "QualityAnswer.runs": "a count of files",
  "QualityAnswer.withheld_by": "of the report's examples, which the list of flags has; each flag has its own",
  "QualityHistory.outcomes": "the row of scores shows the same days",
  "QualityHistory.served": "the tile shows the day's",
  "QualityHistory.valid": "likewise",
  "QualityHistory.quarantined": "likewise",
  "Report.snapshot_date": "the date of the answer",
  "Report.fetched_at": "in the HTML report",
  "Report.source_url": "in the HTML report",
  "Report.wire_shape": "in the HTML report",
  "Report.fields": "in the HTML report",
  "Check.severity": "that of the row over all days is shown",
  "Check.examples": "the list of flags has them",
  "HistoryAnswer.start": "as asked",
  "HistoryAnswer.end": "as asked",
  "Series.model": "as asked, in the same order",
  "Series.field": "as asked",
  "ModelWithFacts.change": "the panel compares all four prices",
  "ModelWithFacts.spark": "the panel has the chart",
  "ModelChange.direction": "the sign of the percentage",
  "Mover.direction": "the list it is in",
};

const STATIC = fileURLToPath(new URL("../../provider/io_intelligence_provider/plugin/static/", import.meta.url));

function program() {
  const config = ts.readConfigFile(path.join(STATIC, "tsconfig.json"), ts.sys.readFile).config;
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, STATIC);
  return ts.createProgram(fileNames, options);
}

/** Return the name of each field, "Model.name", by its declaration. */
function fieldsOf(file) {
  const found = new Map();
  const visit = (node) => {
    if (ts.isInterfaceDeclaration(node))
      for (const member of node.members) found.set(member, `${node.name.text}.${member.name.text}`);
    else ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Call `read` with the declarations of each property that a module reads. */
function reads(file, checker, read) {
  const tell = (type, name) => {
    for (const part of type.isUnion() ? type.types : [type]) read(part.getProperty(name)?.declarations ?? []);
  };
  const names = (type) =>
    (type.isUnion() ? type.types : [type]).filter((one) => one.isStringLiteral()).map((one) => one.value);
  const visit = (node) => {
    if (ts.isPropertyAccessExpression(node)) tell(checker.getTypeAtLocation(node.expression), node.name.text);
    else if (ts.isElementAccessExpression(node)) {
      for (const name of names(checker.getTypeAtLocation(node.argumentExpression)))
        tell(checker.getTypeAtLocation(node.expression), name);
    } else if (ts.isObjectBindingPattern(node)) {
      for (const element of node.elements)
        tell(checker.getTypeAtLocation(node), (element.propertyName ?? element.name).text);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
}

test("every field of an answer is read", () => {
  const made = program();
  const checker = made.getTypeChecker();
  const answers = made.getSourceFiles().find((file) => file.fileName.endsWith("answers.d.ts"));
  const fields = fieldsOf(answers);
  assert.ok(fields.size > 150);
  const unread = new Set(fields.values());
  for (const file of made.getSourceFiles().filter((one) => one.fileName.endsWith(".js")))
    reads(file, checker, (declarations) => {
      for (const declaration of declarations) unread.delete(fields.get(declaration));
    });
  assert.deepEqual([...unread].sort(), Object.keys(FOR_OTHERS).sort());
});
