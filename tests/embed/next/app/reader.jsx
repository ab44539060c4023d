"use client";
import "pagelens/element";

export const Reader = () => <page-lens model="/models/tiny/" sample="/samples/word.png" />;
